package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fleet/api"
)

// storing is the flags of store.
type storing struct {
	yes, noBlock bool
	timeout      seconds
}

// storeVerb is one of the things that store does.
type storeVerb struct {
	name, arguments string
	least, most     int // arguments
	run             func(a *app, ctx context.Context, c *api.Client, s storing, args []string) error
}

var storeVerbs = []storeVerb{
	{"status", "", 0, 0, (*app).storeStatus},
	{"add", "NAME PEER-URL", 2, 2, (*app).storeAdd},
	{"remove", "NAME", 1, 1, (*app).storeRemove},
	{"replace", "NAME [PEER-URL]", 1, 2, (*app).storeReplace},
	{"snapshot", "FILE", 1, 1, (*app).storeSnapshot},
	{"restore", "FILE", 1, 1, (*app).storeRestore},
	{"recover", "", 0, 0, (*app).storeRecover},
}

// aboutStore marks commands that are answered while nothing else is.
const aboutStore = "store"

func (a *app) storeCommand() *cobra.Command {
	s := storing{timeout: seconds(defaultTimeout)}
	var verbs []string
	for _, v := range storeVerbs {
		verbs = append(verbs, v.name)
	}
	cmd := &cobra.Command{
		Use:   "store " + strings.Join(verbs, "|") + " [FILE]",
		Short: "Look after etcd: its members, snapshots, and what to do when it is lost",
		Long: `Look after the etcd that everything is stored in, when its members run in fleetds. Units go on running whatever becomes of it.

    store status                     show its members, and how many more may be lost
    store add NAME PEER-URL          add a member: the fleetd that has that etcd_name
    store remove NAME                remove a member
    store replace NAME [PEER-URL]    put a member without data in the place of one that is lost
    store snapshot FILE              write everything that is stored to a file
    store restore FILE               go back to what a snapshot has
    store recover                    go on with one member, when a majority of them is lost for good

A member is given by its name, its id or its peer URL. status, and snapshot too, need no majority; a snapshot may also be taken of an etcd
that is not embedded, whose members are not fleet's: all else is refused there.

add and replace wait until the new member has learned what the others have, and counts. Its fleetd needs etcd_name, etcd_initial_cluster (which
they print) and an empty etcd_data_dir, and joins by itself; one that replaces a member at the same address needs no other settings than that had. What would
cost the majority is refused, and so is a new member while another does not serve: replace or remove that one first.

restore and recover are carried out by the fleetd that --endpoint names, in its own process, and by no other: by default that of this host. Its member is
the only one afterwards; "store replace" brings the others back, one by one. What the other members have, if they are not lost after all, counts no more: they
put it aside as soon as they reach this one, and two of three that do not reach it must not be started. recover keeps everything that this member has, and sessions live on. restore has
nothing of what came after the snapshot: destroyed units are back, and those that were submitted since are known no more, and go on running until they are submitted again. In both the revision of etcd leaps, so that nothing goes backwards.

On a terminal restore and recover ask first; elsewhere they are refused (exit code 7) unless --yes is given.`,
		Example: `  fleetctl store status
  fleetctl store add d http://10.0.0.4:2380
  fleetctl store replace c
  fleetctl store snapshot /var/backups/fleet.db
  fleetctl store recover`,
		Annotations: map[string]string{aboutStore: ""},
		ValidArgs:   verbs,
		Args: func(_ *cobra.Command, args []string) error {
			_, err := storeVerbOf(args)
			return err
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.store(cmd.Context(), s, args) },
	}
	flags := cmd.Flags()
	flags.BoolVarP(&s.yes, "yes", "y", false, "do not ask before restore and recover")
	flags.BoolVar(&s.noBlock, "no-block", false, "do not wait until a new member counts")
	flags.Var(&s.timeout, "timeout", "give up waiting for a new member after this time, in seconds or as a duration such as 1m30s; 0: never")
	return cmd
}

func storeVerbOf(args []string) (storeVerb, error) {
	if len(args) == 0 {
		return storeVerb{}, errors.New("say what to do: status, add, remove, replace, snapshot, restore or recover")
	}
	i := slices.IndexFunc(storeVerbs, func(v storeVerb) bool { return v.name == args[0] })
	if i < 0 {
		return storeVerb{}, fmt.Errorf("store %s: expect status, add, remove, replace, snapshot, restore or recover", args[0])
	}
	v := storeVerbs[i]
	if n := len(args) - 1; n < v.least || n > v.most {
		return v, fmt.Errorf("expect: fleetctl store %s", strings.TrimSpace(v.name+" "+v.arguments))
	}
	return v, nil
}

func (a *app) store(ctx context.Context, s storing, args []string) error {
	v, err := storeVerbOf(args)
	if err != nil {
		return usage(err)
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	return v.run(a, ctx, c, s, args[1:])
}

func (a *app) storeAdd(ctx context.Context, c *api.Client, s storing, args []string) error {
	added, err := c.AddMember(ctx, args[0], args[1])
	if err != nil {
		return remote(fmt.Errorf("add member %s: %w", args[0], err))
	}
	a.say("Member %s added. Its fleetd needs, with an empty etcd_data_dir:\n    etcd_name = %s\n    etcd_initial_cluster = %s", args[0], args[0], added.InitialCluster)
	return a.awaitMember(ctx, c, s, args[0], added.Member)
}

func (a *app) storeReplace(ctx context.Context, c *api.Client, s storing, args []string) error {
	name, peerURL := args[0], ""
	if len(args) > 1 {
		peerURL = args[1]
	}
	added, err := c.ReplaceMember(ctx, name, peerURL)
	if err != nil {
		return remote(fmt.Errorf("replace member %s: %w", name, err))
	}
	a.say("Member %s is awaited at %s, without data.", name, strings.Join(added.Member.PeerURLs, ", "))
	if peerURL != "" {
		a.say("Its fleetd needs, with an empty etcd_data_dir:\n    etcd_name = %s\n    etcd_initial_cluster = %s", name, added.InitialCluster)
	}
	return a.awaitMember(ctx, c, s, name, added.Member)
}

// lookAtStore is the pause between two looks at a member that is awaited.
const lookAtStore = 300 * time.Millisecond

// awaitMember waits until a new member counts.
func (a *app) awaitMember(ctx context.Context, c *api.Client, s storing, name string, m api.StoreMember) error {
	if s.noBlock {
		return a.memberEntity(m)
	}
	if s.timeout > 0 {
		limited, cancel := context.WithTimeout(ctx, time.Duration(s.timeout))
		defer cancel()
		ctx = limited
	}
	for {
		status, err := c.Store(ctx)
		if now, found := memberWithID(status, m.ID); err == nil && found {
			m = now
		}
		if err == nil && !m.Learner && m.Problem == "" {
			a.say("Member %s has learned what the others have, and counts: %s, of which %s.", name, count(len(status.Members), "member"), lossWords(status))
			return a.memberEntity(m)
		}
		select {
		case <-ctx.Done():
			a.complain("Member %s does not count yet (%s). It joins by itself when its fleetd runs.", name, memberState(m))
			return &fault{code: exitTimeout}
		case <-time.After(lookAtStore):
		}
	}
}

func memberWithID(s api.StoreStatus, id string) (api.StoreMember, bool) {
	i := slices.IndexFunc(s.Members, func(m api.StoreMember) bool { return m.ID == id })
	if i < 0 {
		return api.StoreMember{}, false
	}
	return s.Members[i], true
}

func (a *app) memberEntity(m api.StoreMember) error {
	if !a.structured() {
		return nil
	}
	return entities(a, []api.StoreMember{m})
}

func (a *app) storeRemove(ctx context.Context, c *api.Client, _ storing, args []string) error {
	if err := c.RemoveMember(ctx, args[0]); err != nil {
		return remote(fmt.Errorf("remove member %s: %w", args[0], err))
	}
	a.say("Member %s removed. Its fleetd, if it runs, puts its data aside and goes on with the other members.", args[0])
	return nil
}
