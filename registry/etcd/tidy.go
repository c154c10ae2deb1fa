package etcd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"fleet/cluster"
)

// When there is something to do, as parts of the quota.
const (
	compactFrom    = 0.70 // in use: former values are given up sooner than etcd does by itself
	defragmentFrom = 0.80 // the size of the file: a file of which half is not in use is written anew
	defragmentMust = 0.95 // the same: so is one of which twice as much is not in use as it may still grow by
	muchLoose      = 0.03 // but not for less than that
	disarmBelow    = 0.90 // the size of all files: etcd may take in something again
)

const (
	// compaction and defragmentation are how long these may take. A member does nothing else while it is defragmented; it
	// writes what is in use anew, some hundred megabytes a second.
	compaction      = time.Minute
	defragmentation = 2 * time.Minute
)

// Tidier makes room in an etcd that is fleet's own. One at a time should, at one of the members.
type Tidier struct {
	client *Client
	log    *slog.Logger
	noted  int64 // the store's revision when it was looked at last
	given  int64 // up to which former values were given up

	rewritten map[string]int64 // given, when a member, by id, was defragmented
}

// NewTidier makes one that has not looked yet.
func NewTidier(c *Client, log *slog.Logger) *Tidier {
	return &Tidier{client: c, log: log, rewritten: make(map[string]int64)}
}

// Tidy makes room if there is little, in an etcd that is in the state given. While there is enough it does nothing.
//
// Former values go up to the revision at which it was looked at last, so that readers who are not further behind
// than that are not disturbed; all of them when etcd refuses to grow. Members are defragmented one after another, the one that leads after it has handed
// over. When all have room again the alarm is lifted with which etcd refuses to grow; etcd raises it, and leaves lifting it to others.
func (t *Tidier) Tidy(ctx context.Context, s cluster.Store) error {
	before := t.noted
	for _, m := range s.Members {
		t.noted = max(t.noted, m.Revision)
	}
	space := s.Space()
	if space.Quota == 0 {
		return nil
	}
	if space.Refuses {
		before = t.noted // nobody has written since
	}
	if before > t.given && part(space.InUse, space.Quota) >= compactFrom {
		if err := t.compact(ctx, before); err != nil {
			return err
		}
		s = t.client.examined(ctx, membersOf(s))
	}
	if err := t.defragment(ctx, s); err != nil {
		return err
	}
	if space.Refuses {
		return t.disarm(ctx)
	}
	return nil
}

func part(of, quota int64) float64 { return float64(of) / float64(quota) }

// membersOf are members to be examined anew.
func membersOf(s cluster.Store) []*pb.Member {
	var all []*pb.Member
	for _, m := range s.Members {
		id, _ := parseID(m.ID)
		all = append(all, &pb.Member{ID: id, Name: m.Name, PeerURLs: m.PeerURLs, ClientURLs: m.ClientURLs, IsLearner: m.Learner})
	}
	return all
}

// Compact has etcd give up what was before a revision, and returns when the member has that was asked. That it was given up before is no error.
func (c *Client) Compact(ctx context.Context, revision int64) error {
	limited, cancel := context.WithTimeout(ctx, compaction)
	defer cancel()
	_, err := c.etcd.Compact(limited, revision, clientv3.WithCompactPhysical())
	if err == nil || errors.Is(err, errCompacted) {
		return nil
	}
	return c.explain(ctx, limited, "compact etcd", err)
}

func (t *Tidier) compact(ctx context.Context, revision int64) error {
	if err := t.client.Compact(ctx, revision); err != nil {
		return err
	}
	t.given = revision
	t.log.Info("little room in etcd: former values are given up", "rev", revision)
	return nil
}

// loose tells whether a member's file is to be written anew. What a member that refuses to grow says to be in use may have been
// given up since: it finds out when it writes, which it does not.
func (t *Tidier) loose(m cluster.StoreMember, refuses bool) bool {
	if m.Problem != "" || m.Quota == 0 {
		return false
	}
	size, free := part(m.Size, m.Quota), part(m.Size-m.InUse, m.Quota)
	switch {
	case refuses && size >= disarmBelow && t.rewritten[m.ID] < t.given:
		return true
	case size >= defragmentMust:
		return free >= max(muchLoose, 2*(1-size))
	}
	return size >= defragmentFrom && m.InUse <= m.Size/2
}

// defragment has the file written anew of every member that needs it, the leading one's last, and only while all serve.
func (t *Tidier) defragment(ctx context.Context, s cluster.Store) error {
	var due []cluster.StoreMember
	for _, m := range s.Members {
		if t.loose(m, s.Space().Refuses) {
			due = append(due, m)
		}
	}
	if len(due) == 0 {
		return nil
	}
	if all, serving := s.Voters(); serving < all {
		t.log.Warn("etcd is not defragmented while a member does not serve", "members", all, "serving", serving)
		return nil
	}
	slices.SortStableFunc(due, func(a, b cluster.StoreMember) int {
		switch {
		case a.Leader == b.Leader:
			return 0
		case a.Leader:
			return 1
		}
		return -1
	})
	for _, m := range due {
		if err := t.rewrite(ctx, s, m); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tidier) rewrite(ctx context.Context, s cluster.Store, m cluster.StoreMember) error {
	limited, cancel := context.WithTimeout(ctx, defragmentation)
	defer cancel()
	if m.Leader {
		t.handOver(limited, s, m)
	}
	began := time.Now()
	if _, err := t.client.etcd.Defragment(limited, chosen(m.ClientURLs)); err != nil {
		return t.client.explain(ctx, limited, "defragment member "+m.Label()+" of etcd", err)
	}
	t.rewritten[m.ID] = t.given
	t.log.Info("little room in etcd: member defragmented", "member", m.Label(), "size", m.Size, "in_use", m.InUse, "took", time.Since(began))
	return nil
}

// handOver has another member lead, if there is one: who leads renews leases, and must not be busy for long.
func (t *Tidier) handOver(ctx context.Context, s cluster.Store, from cluster.StoreMember) {
	i := slices.IndexFunc(s.Members, func(m cluster.StoreMember) bool { return m.ID != from.ID && !m.Learner && m.Problem == "" })
	if i < 0 {
		return
	}
	to, err := parseID(s.Members[i].ID)
	if err == nil {
		err = t.moveLeader(ctx, chosen(from.ClientURLs), to)
	}
	if err != nil {
		t.log.Warn("the leading member of etcd does not hand over before it is defragmented", "member", from.Label(), "err", err)
	}
}

// moveLeader asks the member at an endpoint: it has to be the one that leads.
func (t *Tidier) moveLeader(ctx context.Context, endpoint string, to uint64) error {
	conn, err := t.client.etcd.Dial(endpoint)
	if err != nil {
		return fmt.Errorf("reach %s: %w", endpoint, err)
	}
	defer conn.Close()
	_, err = pb.NewMaintenanceClient(conn).MoveLeader(ctx, &pb.MoveLeaderRequest{TargetID: to})
	return err
}

// disarm lifts the alarm with which etcd refuses to grow, if all members that serve have room.
func (t *Tidier) disarm(ctx context.Context) error {
	s, err := t.client.Store(ctx)
	if err != nil {
		return err
	}
	if space := s.Space(); part(space.Size, space.Quota) >= disarmBelow {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, t.client.timeout)
	defer cancel()
	raised, err := t.client.etcd.AlarmList(limited)
	if err != nil {
		return t.client.explain(ctx, limited, "list the alarms of etcd", err)
	}
	for _, a := range raised.Alarms {
		if a.Alarm != pb.AlarmType_NOSPACE {
			continue
		}
		if _, err := t.client.etcd.AlarmDisarm(limited, (*clientv3.AlarmMember)(a)); err != nil {
			return t.client.explain(ctx, limited, "lift the alarm NOSPACE of etcd", err)
		}
	}
	t.log.Info("there is room in etcd again: it takes in everything")
	return nil
}
