package embedded

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/membership"
	"go.uber.org/zap"
)

// placement is how a member without data has to begin.
type placement struct {
	state     string // embed.ClusterStateFlagNew or …Existing
	initial   string // all members, as etcd wants them named at its start
	beginning beginning

	wait string // not yet, and why; empty: now
	from census // what that was decided by, if anybody answered
}

// place decides how a member begins that has no data, by what the others say. Where nobody
// answers it begins the first cluster, as all first members do.
//
// A member that the others know, and that has lost its data, must not begin again under the same id: it has voted,
// and acknowledged entries that it does not have any more.
func (c Config) place(answers []census, log *zap.Logger) (placement, error) {
	urls, err := c.peerURLs()
	if err != nil {
		return placement{}, err
	}
	first, err := c.firstCluster(log)
	if err != nil {
		return placement{}, err
	}
	if first == nil {
		return placement{state: embed.ClusterStateFlagNew, initial: c.name() + "=" + strings.Join(urls, ","+c.name()+"=")}, nil
	}
	if len(answers) == 0 {
		return placement{
			state: embed.ClusterStateFlagNew, initial: c.InitialCluster,
			beginning: beginning{ID: first.MemberByName(c.name()).ID, Blind: true},
		}, nil
	}
	var best census
	var known *membership.Member
	for _, answer := range answers {
		m := answer.with(urls)
		// One that was not told yet of what was changed may answer too: who expects this member is right.
		if best.members == nil || m != nil && (known == nil || len(m.ClientURLs) == 0) {
			best, known = answer, m
		}
	}
	p := placement{from: best}
	switch {
	case known == nil:
		p.wait = fmt.Sprintf("the members of the cluster know no member at %s: fleetctl store add %s %s, or store replace", urls[0], c.name(), urls[0])
	case len(known.ClientURLs) > 0:
		p.wait = fmt.Sprintf("this member has lost its data, which the others count on: fleetctl store replace %s", known.Name)
	case best.cluster == first.ID() && first.Member(known.ID) != nil:
		p.state, p.initial, p.beginning.ID = embed.ClusterStateFlagNew, c.InitialCluster, known.ID // it is one of the first, and late
	default:
		p.state, p.initial, p.beginning.ID = embed.ClusterStateFlagExisting, c.named(best, known), known.ID
	}
	return p, nil
}

// beginning is how a member began that has not served yet.
type beginning struct {
	ID    types.ID `json:"id"`
	Blind bool     `json:"blind"` // nobody said anything then
}

// displaced tells whether the others know better than a member that never served: they do not have it, or, as
// it did not ask them, they have it from before, when it had other data.
func (b beginning) displaced(answers []census) bool {
	for _, answer := range answers {
		i := slices.IndexFunc(answer.members, func(m *membership.Member) bool { return m.ID == b.ID })
		if i >= 0 && (!b.Blind || len(answer.members[i].ClientURLs) == 0) {
			return false
		}
	}
	return len(answers) > 0
}

func (c Config) name() string { return cmp.Or(c.Name, embed.DefaultName) }

// peerURLs are where the others reach this member.
func (c Config) peerURLs() ([]string, error) {
	initial, err := c.initial()
	if err != nil {
		return nil, err
	}
	for _, urls := range [][]string{c.AdvertisePeerURLs, initial[c.name()].StringSlice(), c.ListenPeerURLs} {
		if len(urls) > 0 {
			return urls, nil
		}
	}
	return []string{defaultPeerURL}, nil
}

// others are the peer URLs of the first members but this one.
func (c Config) others() ([]string, error) {
	initial, err := c.initial()
	if err != nil {
		return nil, err
	}
	var all []string
	for name, urls := range initial {
		if name != c.name() {
			all = append(all, urls.StringSlice()...)
		}
	}
	slices.Sort(all)
	return all, nil
}

// firstCluster is the cluster that the first members make, as etcd counts it; nil for a member on its own.
func (c Config) firstCluster(log *zap.Logger) (*membership.RaftCluster, error) {
	initial, err := c.initial()
	if err != nil || len(initial) == 0 {
		return nil, err
	}
	cluster, err := membership.NewClusterFromURLsMap(log, c.token(), initial)
	if err != nil {
		return nil, fmt.Errorf("initial cluster %q: %w", c.InitialCluster, err)
	}
	return cluster, nil
}

// named lists the members of a census as etcd wants to read them: each needs a name, also one that never started.
func (c Config) named(all census, own *membership.Member) string {
	var parts []string
	for _, m := range all.members {
		name := cmp.Or(m.Name, "member-"+m.ID.String())
		if m.ID == own.ID {
			name = c.name()
		}
		for _, u := range m.PeerURLs {
			parts = append(parts, name+"="+u)
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}
