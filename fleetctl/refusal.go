package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"fleet/unit"
)

// lookLimit is how long systemd-analyze may take: it is asked to spare people a mistake, not to keep them waiting.
const lookLimit = 20 * time.Second

const refusalArgs = `Files that are to be sent are also shown to "systemd-analyze verify" where that is installed. One that no systemd runs is
warned of; if it would replace a unit that runs, nothing at all is sent (exit code 1) unless --no-verify is given.`

func registerNoVerify(cmd *cobra.Command, unverified *bool) {
	cmd.Flags().BoolVar(unverified, "no-verify", false, "do not ask systemd-analyze whether systemd would run the file")
}

// refusals are those of the files that are to be sent which no systemd runs. There are none if systemd cannot
// be asked here: it is asked as a courtesy.
func refusals(ctx context.Context, all []*candidate) []*verification {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	var files []checkedFile
	for _, x := range all {
		if len(x.raw) > 0 {
			files = append(files, checkedFile{x, &verification{Name: x.name, Path: x.origin}})
		}
	}
	if len(files) == 0 || analyze(ctx, files) != nil {
		return nil
	}
	var refused []*verification
	for _, f := range files {
		if len(f.Errors) > 0 {
			refused = append(refused, f.verification)
		}
	}
	return refused
}

// spare keeps a file that no systemd runs from replacing what runs: that would be stopped for nothing. Of
// units that do not run it only warns, as what cannot be started shows by itself.
func (a *app) spare(ctx context.Context, all []*candidate) error {
	running := make(map[unit.Name]bool)
	for _, x := range all {
		running[x.name] = x.existing != nil && runs(*x.existing)
	}
	var spared []*verification
	for _, v := range refusals(ctx, all) {
		if running[v.Name] {
			spared = append(spared, v)
			continue
		}
		for _, text := range append(v.Warnings, v.Errors...) {
			a.complain("%s %s", a.paint(a.stderr, yellow, "warning:"), text)
		}
	}
	if len(spared) == 0 {
		return nil
	}
	for _, v := range spared {
		a.tellRefusal(v)
	}
	what := fmt.Sprintf("unit %s runs, and systemd would not run it with the new file", spared[0].Name)
	if n := len(spared); n > 1 {
		what = fmt.Sprintf("%d units run, and systemd would not run them with the new files", n)
	}
	return &fault{exitError, fmt.Errorf("%s; nothing was sent (--no-verify sends it all the same)", what)}
}

// tellRefusal tells why systemd does not run a file; what it ignores in it may be the reason.
func (a *app) tellRefusal(v *verification) {
	for _, text := range append(v.Warnings, v.Errors...) {
		a.complain("%s", text)
	}
}

// spareImported is spare for what an import would send.
func (a *app) spareImported(ctx context.Context, in imported, p importPlan) error {
	var sent []*candidate
	byName := make(map[unit.Name]*candidate, len(in.units))
	for _, x := range in.units {
		byName[x.name] = x
	}
	for _, o := range p.orders {
		x := byName[o.unit]
		if x == nil || o.file == nil {
			continue
		}
		if u, exists := p.known[o.unit]; exists {
			x.existing = &u
		}
		sent = append(sent, x)
	}
	return a.spare(ctx, sent)
}
