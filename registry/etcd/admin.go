package etcd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/proto"

	"fleet/cluster"
)

const (
	// memberPatience is how long the members may take to say how they are.
	memberPatience = 2 * time.Second

	// settled is for how long etcd may refuse changes of its members, because it wants to have seen all of
	// them for 5 s; it refuses at once what it does for another reason.
	settled      = 12 * time.Second
	settledRetry = 250 * time.Millisecond
)

// Use has further requests go to these endpoints. Those under way are not disturbed, streams excepted whose endpoint is not among them.
func (c *Client) Use(endpoints []string) {
	if !slices.Equal(c.etcd.Endpoints(), endpoints) {
		c.etcd.SetEndpoints(endpoints...)
	}
}

// Endpoints are those in use.
func (c *Client) Endpoints() []string { return c.etcd.Endpoints() }

// Store tells who the members are and how each of them is. Without a majority it tells what the member has that answers.
func (c *Client) Store(ctx context.Context) (cluster.Store, error) {
	agreed, problem := []*pb.Member(nil), error(nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		agreed, problem = c.memberList(ctx)
	}()
	known, err := c.memberList(ctx, clientv3.WithSerializable())
	s := c.examined(ctx, known)
	<-done
	switch {
	case problem == nil && !slices.EqualFunc(known, agreed, func(a, b *pb.Member) bool { return proto.Equal(a, b) }):
		return c.examined(ctx, agreed), nil
	case problem != nil && err != nil:
		return cluster.Store{}, problem
	case problem != nil:
		s.Problem = problem.Error()
	}
	return s, nil
}

func memberID(id uint64) string { return strconv.FormatUint(id, 16) }

func parseID(id string) (uint64, error) { return strconv.ParseUint(id, 16, 64) }

// memberList asks for the members: as a majority has them, or otherwise as one has them.
func (c *Client) memberList(ctx context.Context, opts ...clientv3.OpOption) ([]*pb.Member, error) {
	limited, cancel := context.WithTimeout(ctx, memberPatience)
	defer cancel()
	resp, err := c.etcd.MemberList(limited, opts...)
	if err != nil && limited.Err() != nil {
		return nil, fmt.Errorf("list the members of etcd: %w within %s", cluster.ErrUnavailable, memberPatience)
	}
	if err != nil {
		return nil, c.explain(ctx, limited, "list the members of etcd", err)
	}
	return resp.Members, nil
}

// examined is how members are, each asked itself.
func (c *Client) examined(ctx context.Context, members []*pb.Member) cluster.Store {
	limited, cancel := context.WithTimeout(ctx, memberPatience)
	defer cancel()
	s := cluster.Store{Members: make([]cluster.StoreMember, len(members))}
	var wg sync.WaitGroup
	for i, m := range members {
		s.Members[i] = cluster.StoreMember{
			ID: memberID(m.ID), Name: m.Name, PeerURLs: m.PeerURLs, ClientURLs: m.ClientURLs, Learner: m.IsLearner,
		}
		wg.Go(func() { c.examine(limited, &s.Members[i]) })
	}
	wg.Wait()
	slices.SortStableFunc(s.Members, func(a, b cluster.StoreMember) int { return cmp.Compare(a.Name, b.Name) })
	return s
}

// examine asks a member itself how it is.
func (c *Client) examine(ctx context.Context, m *cluster.StoreMember) {
	if len(m.ClientURLs) == 0 {
		m.Problem = "it has not started yet"
		return
	}
	status, err := c.status(ctx, m.ClientURLs)
	if ctx.Err() != nil {
		err = fmt.Errorf("no answer within %s", memberPatience)
	}
	if err != nil {
		m.Problem = err.Error()
		return
	}
	id := strconv.FormatUint(status.Header.MemberId, 16)
	switch {
	case id != m.ID:
		m.Problem = "another member answers at " + m.ClientURLs[0] + ": " + id
	case status.Leader == 0:
		m.Problem = "it has no leader: too few of the members reach each other"
	}
	m.Leader = status.Leader == status.Header.MemberId
	m.Version, m.Revision = status.Version, status.Header.Revision
	m.Size, m.InUse, m.Quota = status.DbSize, status.DbSizeInUse, status.DbSizeQuota
	m.Alarms = alarms(status.Errors)
}

// alarms are the complaints of a member, for people. Each member tells the alarms of all.
func alarms(complaints []string) []string {
	var all []string
	for _, c := range complaints {
		switch {
		case c == rpctypes.ErrNoLeader.Error():
			continue // a problem
		case strings.Contains(c, "alarm:"+pb.AlarmType_NOSPACE.String()):
			c = "full: takes no writes (" + strings.TrimSpace(c) + ")"
		}
		if !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	return all
}

func (c *Client) status(ctx context.Context, urls []string) (*clientv3.StatusResponse, error) {
	return c.etcd.Status(ctx, chosen(urls))
}

// chosen is the first URL that other machines can use, or else the first.
func chosen(urls []string) string {
	if i := slices.IndexFunc(urls, reachable); i >= 0 {
		return urls[i]
	}
	return urls[0]
}

// AddMember adds a member that does not count until it has learned what the others have.
func (c *Client) AddMember(ctx context.Context, peerURLs []string) (cluster.StoreMember, error) {
	var added cluster.StoreMember
	err := c.reconfigure(ctx, "add a member to etcd", func(ctx context.Context) error {
		resp, err := c.etcd.MemberAddAsLearner(ctx, peerURLs)
		if err == nil {
			added = cluster.StoreMember{ID: memberID(resp.Member.ID), PeerURLs: resp.Member.PeerURLs, Learner: true, Problem: "it has not started yet"}
		}
		return err
	})
	return added, err
}

// RemoveMember removes a member.
func (c *Client) RemoveMember(ctx context.Context, id string) error {
	number, err := parseID(id)
	if err != nil {
		return fmt.Errorf("remove member %q of etcd: %w", id, err)
	}
	remove := func(ctx context.Context) error {
		_, err := c.etcd.MemberRemove(ctx, number)
		if errors.Is(err, rpctypes.ErrMemberNotFound) {
			return nil
		}
		return err
	}
	// The member that was asked may be the one, and end before it answers. Another one knows.
	until := time.Now().Add(settled)
	for {
		err = c.reconfigure(ctx, "remove a member of etcd", remove)
		if !errors.Is(err, cluster.ErrUnavailable) || errors.Is(err, rpctypes.ErrUnhealthy) || time.Now().After(until) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(settledRetry):
		}
	}
}

// reconfigure changes the members, as soon as etcd is sure enough of those there are.
func (c *Client) reconfigure(ctx context.Context, doing string, change func(context.Context) error) error {
	until := time.Now().Add(settled)
	for {
		limited, cancel := context.WithTimeout(ctx, c.timeout)
		err := change(limited)
		if err != nil {
			err = c.explain(ctx, limited, doing, err)
		}
		cancel()
		if !errors.Is(err, rpctypes.ErrUnhealthy) || time.Now().After(until) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(settledRetry):
		}
	}
}

// Peek reads one key as the member has it that answers, without a majority too; nil: it is not there.
func (c *Client) Peek(ctx context.Context, key string) ([]byte, error) {
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	resp, err := c.etcd.Get(limited, key, clientv3.WithSerializable())
	if err != nil {
		return nil, c.explain(ctx, limited, "read from etcd", err)
	}
	if len(resp.Kvs) == 0 {
		return nil, nil
	}
	return resp.Kvs[0].Value, nil
}

// Snapshot reads everything that etcd has, from one of its members, with a sum at its end.
func (c *Client) Snapshot(ctx context.Context) (io.ReadCloser, error) {
	from, err := c.etcd.Snapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("take a snapshot of etcd: %w", err)
	}
	return from, nil
}
