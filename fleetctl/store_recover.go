package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fleet/api"
	"fleet/unit"
)

// storeSnapshot writes a snapshot to a file that is there as a whole or not at all.
func (a *app) storeSnapshot(ctx context.Context, c *api.Client, _ storing, args []string) error {
	path := args[0]
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return &fault{exitError, fmt.Errorf("write the snapshot: %w", err)}
	}
	defer os.Remove(f.Name()) // unless it has another name by then
	defer f.Close()
	size, err := c.Snapshot(ctx, f)
	if err != nil {
		return remote(fmt.Errorf("take a snapshot: %w", err))
	}
	err = errors.Join(f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return &fault{exitError, fmt.Errorf("write the snapshot: %w", err)}
	}
	a.say("Snapshot of %s written to %s.", unit.Roughly(unit.Memory, size), path)
	return nil
}

func (a *app) storeRestore(ctx context.Context, c *api.Client, s storing, args []string) error {
	f, err := os.Open(args[0])
	if err != nil {
		return &fault{exitNotFound, fmt.Errorf("read the snapshot: %w", err)}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return &fault{exitError, fmt.Errorf("read the snapshot: %w", err)}
	}
	what := fmt.Sprintf("Everything that is stored becomes what %s has, of %s.\n"+
		"Of units that were changed since, the former file runs again; destroyed ones are back. What was submitted since is known no more,\nand goes on running where it is until it is submitted again.", args[0], info.ModTime().Format(time.RFC1123))
	others, err := a.soleMember(ctx, c, s, what)
	if err != nil {
		return err
	}
	status, err := c.RestoreStore(ctx, f, info.Size())
	if err != nil {
		return remote(fmt.Errorf("restore %s: %w", args[0], err))
	}
	a.say("Restored.")
	return a.madeAnew(status, others)
}

func (a *app) storeRecover(ctx context.Context, c *api.Client, s storing, _ []string) error {
	others, err := a.soleMember(ctx, c, s, "The cluster goes on with what this one member has.")
	if err != nil {
		return err
	}
	status, err := c.RecoverStore(ctx)
	if err != nil {
		return remote(fmt.Errorf("recover: %w", err))
	}
	a.say("Recovered.")
	return a.madeAnew(status, others)
}

// severalEndpoints tells whether several fleetds are named to something that only one should do.
func (a *app) severalEndpoints(args []string) bool {
	v, err := storeVerbOf(args)
	return err == nil && (v.name == "restore" || v.name == "recover") && strings.Contains(a.endpoint, ",")
}

// soleMember says what making one member the only one means, and asks a person. It returns the other members.
func (a *app) soleMember(ctx context.Context, c *api.Client, s storing, what string) (others []api.StoreMember, err error) {
	status, err := c.Store(ctx)
	if err != nil {
		return nil, remote(fmt.Errorf("look at the store: %w", err))
	}
	for _, m := range status.Members {
		if !m.Local {
			others = append(others, m)
		}
	}
	a.complain("%s Units keep running meanwhile.", what)
	if len(others) > 0 {
		a.complain("The member of %s becomes the only one. These are members no more, whether they serve or not:", a.endpoint)
		for _, m := range others {
			a.complain("    %s at %s: %s", memberLabel(m), strings.Join(m.PeerURLs, ","), memberState(m))
		}
		a.complain("What they have must never be a member's again. Their fleetds put it aside when they reach this one; as long as\nthey cannot, do not start a majority of them.")
	}
	if s.yes {
		return others, nil
	}
	return others, a.agree(ctx, "The store is made anew")
}

func memberLabel(m api.StoreMember) string {
	if m.Name != "" {
		return m.Name
	}
	return m.ID
}

// madeAnew tells what to do after a store was made anew.
func (a *app) madeAnew(s api.StoreStatus, others []api.StoreMember) error {
	if a.structured() {
		return entities(a, []api.StoreStatus{s})
	}
	if len(others) == 0 {
		return nil
	}
	a.say("The cluster has one member. Bring the others back one by one, with their hosts or new ones:")
	for _, m := range others {
		a.say("    fleetctl store replace %s", memberLabel(m))
	}
	return nil
}
