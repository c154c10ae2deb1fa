package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"fleet/cluster"
	"fleet/unit"
)

// statusLimit is how long one machine's systemd may take to tell its status.
const statusLimit = 10 * time.Second

// getStatusText shows what systemctl status says of a unit, on every machine that has it.
func (s *Server) getStatusText(w http.ResponseWriter, r *http.Request, rawName string) error {
	name, err := parseName(rawName)
	if err != nil {
		return err
	}
	query, err := parameters(r)
	if err != nil {
		return err
	}
	forwarded, err := s.aboutSystemd(r, query)
	if err != nil {
		return err
	}
	if err := onlyKnown(query, []string{"lines", "machineID"}); err != nil {
		return err
	}
	lines, err := statusLines(query)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), statusLimit)
	defer cancel()
	if forwarded {
		text, err := s.o.Local.StatusText(ctx, name, lines)
		if err != nil {
			return err
		}
		writeBody(w, http.StatusOK, textType, []byte(text))
		return nil
	}
	copies, err := s.journalCopies(name, journalRequest{machine: cluster.MachineID(query.Get("machineID"))})
	if err != nil {
		return err
	}
	text, err := s.statusTexts(ctx, name, lines, copies)
	if err != nil {
		return err
	}
	writeBody(w, http.StatusOK, textType, []byte(text))
	return nil
}

func statusLines(query url.Values) (int, error) {
	lines, err := parseLines(query.Get("lines"), false)
	if err == nil && lines < 0 {
		err = fmt.Errorf("all: expect a number; the whole journal is that of units/NAME/journal")
	}
	if err != nil {
		return 0, badRequest("parameter lines: %v", err)
	}
	return lines, nil
}

// statusTexts asks all machines, and fails if none of them says anything.
func (s *Server) statusTexts(ctx context.Context, name unit.Name, lines int, copies []cluster.Copy) (string, error) {
	texts, errs := make([]string, len(copies)), make([]error, len(copies))
	var g errgroup.Group
	g.SetLimit(dialing)
	for i, c := range copies {
		g.Go(func() error {
			source, err := s.systemdOf(c.Machine)
			if err == nil {
				texts[i], err = source.StatusText(ctx, name, lines)
			}
			errs[i] = err
			return nil
		})
	}
	_ = g.Wait() // errors are told with the machines that they are about
	var out strings.Builder
	var reasons []string
	for i, c := range copies {
		if len(copies) > 1 {
			if i > 0 {
				out.WriteString("\n")
			}
			fmt.Fprintf(&out, "==> %s <==\n", strings.TrimSuffix(string(c.Machine)+"/"+c.Address, "/"))
		}
		if errs[i] != nil {
			reasons = append(reasons, errs[i].Error())
			fmt.Fprintf(&out, "-- %v --\n", errs[i])
			continue
		}
		out.WriteString(texts[i])
	}
	if len(reasons) == len(copies) {
		return "", &Error{http.StatusBadGateway, strings.Join(reasons, "; ")}
	}
	return out.String(), nil
}
