package testbed

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// WaitMachines waits until every host that runs and has its network answers as an
// API server and lists all of these hosts. When ctx ends first, the error names
// what is missing and carries the end of the logs.
func (c *Cluster) WaitMachines(ctx context.Context) error {
	var live []*Host
	var want []string
	for _, h := range c.Hosts() {
		state, err := h.State(ctx)
		if err != nil {
			return err
		}
		if state == Running || state == Booting {
			live = append(live, h)
			want = append(want, h.MachineID)
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, h := range live {
		group.Go(func() error { return h.waitMachines(ctx, want) })
	}
	return group.Wait()
}

func (h *Host) waitMachines(ctx context.Context, want []string) error {
	var last error
	err := poll(ctx, 50*time.Millisecond, func() (bool, error) {
		ids, err := h.Machines(ctx)
		if err != nil {
			if ctx.Err() == nil || last == nil {
				last = err
			}
			return false, nil
		}
		missing := slices.DeleteFunc(slices.Clone(want), func(id string) bool { return slices.Contains(ids, id) })
		last = fmt.Errorf("it does not list machines %s", strings.Join(missing, " "))
		return len(missing) == 0, nil
	})
	if err == nil {
		return nil
	}
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	logs, logErr := h.Logs(after, "--lines=30", "--output=cat")
	if logErr != nil {
		logs = logErr.Error()
	}
	return fmt.Errorf("wait for the API of %s: %w: %w; fleetd's log there ends with:\n%s", h.Name, err, last, logs)
}

// Machines returns the ids of the machines that the host's API lists.
func (h *Host) Machines(ctx context.Context) ([]string, error) {
	var ids []string
	token := ""
	for {
		var page struct {
			Machines      []struct{ ID string }
			NextPageToken string
		}
		query := url.Values{}
		if token != "" {
			query.Set("nextPageToken", token)
		}
		if err := h.get(ctx, "/fleet/v1/machines?"+query.Encode(), &page); err != nil {
			return nil, err
		}
		for _, machine := range page.Machines {
			ids = append(ids, machine.ID)
		}
		if token = page.NextPageToken; token == "" {
			return ids, nil
		}
	}
}

func (h *Host) get(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.URL()+path, nil)
	if err != nil {
		return fmt.Errorf("ask the API of %s: %w", h.Name, err)
	}
	request.Close = true // a kept connection to a killed host would stall the next question
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask the API of %s: %w", h.Name, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("ask the API of %s: %s", h.Name, response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		return fmt.Errorf("ask the API of %s: %w", h.Name, err)
	}
	return nil
}

// LiveHost returns a host whose API answers now.
func (c *Cluster) LiveHost(ctx context.Context) (*Host, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	hosts := c.Hosts()
	live := make(chan *Host, len(hosts))
	for _, h := range hosts {
		go func() {
			if _, err := h.Machines(ctx); err != nil {
				h = nil
			}
			live <- h
		}()
	}
	for range hosts {
		if h := <-live; h != nil {
			return h, nil
		}
	}
	return nil, fmt.Errorf("no host of cluster %q answers at its API", c.current().Name)
}
