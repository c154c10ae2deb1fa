package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// systemdTexts are what the systemds of machines say of units.
type systemdTexts struct {
	app    *app
	client *api.Client
	lines  int
	port   int

	texts map[unit.Name][]systemdText // by copy
}

type systemdText struct {
	text string
	err  error
}

// ask asks all machines that are there.
func (t *systemdTexts) ask(ctx context.Context, units []api.Unit) {
	t.texts = make(map[unit.Name][]systemdText, len(units))
	var g errgroup.Group
	g.SetLimit(parallel)
	for _, u := range units {
		texts := make([]systemdText, len(u.Copies))
		t.texts[u.Name] = texts
		for i, c := range u.Copies {
			if !asked(c) {
				continue
			}
			g.Go(func() error {
				o := api.StatusOptions{Machine: c.MachineID, Lines: t.lines}
				texts[i].text, texts[i].err = t.client.StatusText(ctx, u.Name, o)
				return nil
			})
		}
	}
	_ = g.Wait() // errors are told with the copies that they are about
}

// asked tells whether a copy is on a machine that can be asked.
func asked(c api.Copy) bool {
	return c.Presence == cluster.Present || c.Presence == cluster.Returned
}

// write writes what systemd says of a unit's copies, and tells whether it could be had of all of them. Of one that does not
// tell there are the lines that its machine has reported, if it has failed.
func (t *systemdTexts) write(ctx context.Context, u api.Unit) bool {
	complete := true
	for i, c := range u.Copies {
		said := t.texts[u.Name][i]
		where := place(c.MachineID, c.Address, false)
		if said.text == "" && said.err == nil && len(c.Log) == 0 {
			continue
		}
		fmt.Fprintln(t.app.stdout)
		if len(u.Copies) > 1 {
			fmt.Fprintf(t.app.stdout, "On %s:\n", where)
		}
		if said.err == nil && said.text != "" {
			fmt.Fprint(t.app.stdout, said.text)
			continue
		}
		if said.err != nil {
			t.app.complain("%v", said.err)
		}
		if said.err != nil && t.bySSH(ctx, u.Name, c) {
			continue
		}
		complete = complete && said.err == nil
		if len(c.Log) > 0 {
			fmt.Fprintln(t.app.stdout, strings.Join(c.Log, "\n"))
		}
	}
	return complete
}

// bySSH lets systemctl tell its status there. That its exit status is that of a unit which does not run is no failure.
func (t *systemdTexts) bySSH(ctx context.Context, name unit.Name, c api.Copy) bool {
	if c.Address == "" {
		return false
	}
	t.app.complain("-- %s on %s, by ssh --", name, place(c.MachineID, c.Address, false))
	argv := []string{"systemctl", "status", "--no-pager", "--full", "--lines=" + strconv.Itoa(t.lines), "--", string(name)}
	err := t.app.sshTo(ctx, api.Machine{ID: c.MachineID, PrimaryIP: c.Address}, t.port, argv)
	if err == nil {
		return true
	}
	f := faultOf(err)
	if f.err != nil {
		t.app.complain("%v", f.err)
		return false
	}
	return f.code <= 4 // the exit status of systemctl
}
