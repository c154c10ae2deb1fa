package embedded

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/etcdserver/api/membership"
)

// census is what one member says of the cluster that it is in.
type census struct {
	cluster types.ID
	members []*membership.Member
}

// with is the member at a peer URL; nil: there is none.
func (c census) with(peerURLs []string) *membership.Member {
	i := slices.IndexFunc(c.members, func(m *membership.Member) bool {
		return slices.ContainsFunc(m.PeerURLs, func(u string) bool { return slices.Contains(peerURLs, u) })
	})
	if i < 0 {
		return nil
	}
	return c.members[i]
}

func (c census) member(id types.ID) bool {
	return slices.ContainsFunc(c.members, func(m *membership.Member) bool { return m.ID == id })
}

// clientURLs are those of all members but one that a process on another machine can use.
func (c census) clientURLs(but types.ID) []string {
	var all []string
	for _, m := range c.members {
		if m.ID != but && !m.IsLearner {
			all = append(all, m.ClientURLs...)
		}
	}
	return all
}

// askPatience is how long a member may take to say what cluster it is in.
const askPatience = time.Second

// asker asks members for what they say of their cluster, as a new member has to.
type asker struct{ http.Client }

func newAsker(c Config) (*asker, error) {
	transport := &http.Transport{DisableKeepAlives: true}
	if tls := c.tls(); !tls.Empty() {
		config, err := tls.ClientConfig()
		if err != nil {
			return nil, fmt.Errorf("certificates for other members: %w", err)
		}
		transport.TLSClientConfig = config
	}
	return &asker{http.Client{Transport: transport, Timeout: askPatience}}, nil
}

// ask returns what those say who answer.
func (a *asker) ask(ctx context.Context, peerURLs []string) []census {
	answers := make([]*census, len(peerURLs))
	var wg sync.WaitGroup
	for i, u := range peerURLs {
		wg.Go(func() {
			if c, err := a.one(ctx, u); err == nil {
				answers[i] = &c
			}
		})
	}
	wg.Wait()
	var all []census
	for _, c := range answers {
		if c != nil {
			all = append(all, *c)
		}
	}
	return all
}

// mostCensus is how large an answer may be.
const mostCensus = 1 << 20

func (a *asker) one(ctx context.Context, peerURL string) (census, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, peerURL+"/members", nil)
	if err != nil {
		return census{}, err
	}
	resp, err := a.Do(r)
	if err != nil {
		return census{}, err
	}
	defer resp.Body.Close()
	var c census
	if c.cluster, err = types.IDFromString(resp.Header.Get("X-Etcd-Cluster-ID")); err != nil {
		return census{}, err
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, mostCensus)).Decode(&c.members); err != nil {
		return census{}, err
	}
	return c, nil
}
