package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// Member is this machine's place among the members, for as long as Run runs: it finds out how to begin, serves, and
// begins anew when it was recovered, restored, removed or replaced, without its process.
type Member struct {
	config Config
	asker  *asker
	log    *slog.Logger
	zap    *zap.Logger
	orders chan order

	mu        sync.Mutex
	condition string // empty: it serves
}

// order is a change to the data, which is made while the member is stopped.
type order struct {
	change func() error
	done   chan error // takes one answer, when the member serves again
}

const (
	// lookAgain is the pause between two looks at what the others say.
	lookAgain = time.Second
	// lookAround is how often a member that serves looks who the others are.
	lookAround = 10 * time.Second
	// promoteAgain is the pause between two tries to become a full member.
	promoteAgain = 300 * time.Millisecond
)

// NewMember makes a member that begins with Run.
func NewMember(c Config) (*Member, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Endpoints == nil {
		c.Endpoints = func([]string) {}
	}
	if _, err := c.etcd(); err != nil {
		return nil, fmt.Errorf("embedded etcd: %w", err)
	}
	asker, err := newAsker(c)
	if err != nil {
		return nil, fmt.Errorf("embedded etcd: %w", err)
	}
	m := &Member{config: c, asker: asker, log: c.Logger, zap: bridge(c.Logger), orders: make(chan order)}
	m.is("is about to start")
	return m, nil
}

// Condition says in words what the member is doing; empty: it serves.
func (m *Member) Condition() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.condition
}

// is notes what the member is doing now, and tells whether that is news.
func (m *Member) is(condition string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	news := m.condition != condition
	m.condition = condition
	return news
}

// Run runs the member until ctx ends, or it can neither serve nor wait. It may be called once.
func (m *Member) Run(ctx context.Context) error {
	var pending *order // what the next server that serves has carried out
	answer := func(err error) {
		if pending != nil {
			pending.done <- err
			pending = nil
		}
	}
	for {
		next, err := m.life(ctx, func() { answer(nil) })
		if ctx.Err() != nil {
			answer(fmt.Errorf("embedded etcd: %w", ctx.Err()))
			return nil
		}
		if err != nil {
			answer(err)
			return err
		}
		if next == nil {
			continue
		}
		answer(errors.New("another change came in between"))
		m.is("its data are being changed")
		if err := next.change(); err != nil {
			next.done <- err
			continue
		}
		pending = next
	}
}

// life is one server of the member, from the question how to begin to its end. It returns the order that ended it, if
// one did; without one it is to begin anew.
func (m *Member) life(ctx context.Context, serving func()) (*order, error) {
	config, err := m.config.etcd()
	if err != nil {
		return nil, fmt.Errorf("embedded etcd: %w", err)
	}
	if err := m.finishRebuild(); err != nil {
		return nil, err
	}
	if next, err := m.await(ctx, config); next != nil || err != nil || ctx.Err() != nil {
		return next, err
	}
	s, next, err := m.start(ctx, config)
	switch {
	case errors.Is(err, errStopped), errors.Is(err, errDisplaced):
		return nil, m.leave(ctx, err)
	case s == nil:
		return next, err
	}
	defer func() {
		if ctx.Err() != nil {
			s.Close()
		} else {
			s.halt() // the next server need not wait for the connections of this one
		}
	}()
	if err := m.proven(); err != nil {
		return nil, err
	}
	if next, err := m.becomeFull(ctx, s); next != nil || err != nil || ctx.Err() != nil {
		return next, err
	}
	m.is("")
	m.config.Endpoints(s.Endpoints())
	serving()
	return m.serve(ctx, s)
}

// await waits until it is known how to begin.
func (m *Member) await(ctx context.Context, config *embed.Config) (*order, error) {
	for {
		b, unproven, err := m.beginning()
		if err != nil || m.config.hasMember() && !unproven {
			return nil, err
		}
		answers, err := m.ask(ctx)
		if err != nil {
			return nil, err
		}
		if m.config.hasMember() {
			if !b.displaced(answers) {
				return nil, nil
			}
			if err := m.setAside("the others do not expect it"); err != nil {
				return nil, err
			}
		}
		p, err := m.config.place(answers, m.zap)
		if err != nil {
			return nil, fmt.Errorf("embedded etcd: %w", err)
		}
		if p.wait == "" {
			config.ClusterState, config.InitialCluster = p.state, p.initial
			return nil, m.begun(p)
		}
		if m.is("waits: " + p.wait) {
			m.log.Warn("the embedded etcd waits; this machine uses the other members", "reason", p.wait)
		}
		m.config.Endpoints(p.from.clientURLs(0))
		select {
		case <-ctx.Done():
			return nil, nil
		case next := <-m.orders:
			return &next, nil
		case <-time.After(lookAgain):
		}
	}
}

// ask asks all others that are known.
func (m *Member) ask(ctx context.Context) ([]census, error) {
	peers, err := m.peers()
	if err != nil {
		return nil, err
	}
	return m.asker.ask(ctx, peers), nil
}

// displacedFor is how often in a row the others have to say that they do not expect a member as it
// is: for a moment they know of it already what it has not heard from them.
const displacedFor = 5

// errDisplaced: the others know another member in the place of this one, which never served.
var errDisplaced = errors.New("the others do not expect this member as it is")

// start starts a server and waits until it is ready. Without one, and without an error, there is an order, or ctx has ended.
func (m *Member) start(ctx context.Context, config *embed.Config) (*Server, *order, error) {
	starting, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	type result struct {
		server *Server
		err    error
	}
	started := make(chan result, 1)
	go func() {
		s, err := start(starting, config)
		started <- result{s, err}
	}()
	m.is("starts: it waits for enough of the other members")
	displaced := 0
	for {
		select {
		case r := <-started:
			return r.server, nil, r.err
		case next := <-m.orders:
			giveUp(nil)
			if r := <-started; r.server != nil {
				r.server.Close()
			}
			return nil, &next, nil
		case <-time.After(lookAgain):
		}
		// Data of a member that has been ready are what they are. Such as never were may have been begun in ignorance.
		b, unproven, err := m.beginning()
		if err != nil {
			return nil, nil, err
		}
		if !unproven {
			continue
		}
		answers, err := m.ask(ctx)
		if err != nil {
			return nil, nil, err
		}
		if displaced++; !b.displaced(answers) {
			displaced = 0
		}
		if displaced == displacedFor {
			giveUp(errDisplaced)
		}
	}
}

// becomeFull has a server that learns made one that counts.
func (m *Member) becomeFull(ctx context.Context, s *Server) (*order, error) {
	for promoted := false; s.etcd.Server.IsLearner(); {
		m.is("learns what the other members have")
		m.config.Endpoints(s.others())
		select {
		case <-ctx.Done():
			return nil, nil
		case next := <-m.orders:
			return &next, nil
		case <-s.etcd.Server.StopNotify():
			return nil, m.gone(ctx, s)
		case <-time.After(promoteAgain):
		}
		if promoted {
			continue // until it has heard so itself
		}
		// Until it has learned enough this fails, as it should.
		_, err := s.etcd.Server.PromoteMember(ctx, uint64(s.etcd.Server.MemberID()))
		if promoted = err == nil; promoted {
			m.log.Info("this member of etcd has learned what the others have, and counts from now on")
		}
	}
	return nil, nil
}

// serve is the life of a member that counts.
func (m *Member) serve(ctx context.Context, s *Server) (*order, error) {
	for {
		if err := m.remember(s.members()); err != nil {
			m.log.Warn("cannot note who the other members of etcd are", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case next := <-m.orders:
			return &next, nil
		case err := <-s.Err():
			if !s.stopped() {
				return nil, fmt.Errorf("embedded etcd: %w", err)
			}
			return nil, m.gone(ctx, s)
		case <-s.etcd.Server.StopNotify():
			return nil, m.gone(ctx, s)
		case <-time.After(lookAround):
		}
	}
}

// gone is the end of a server that has stopped by itself.
func (m *Member) gone(ctx context.Context, s *Server) error {
	<-s.etcd.Server.StopNotify()
	if s.removed() {
		return m.setAside("it was removed from the cluster")
	}
	return m.leave(ctx, errStopped)
}

// leave finds out whether a member that has stopped by itself was removed by the others, and
// puts its data aside then: they must never be a member's again. One other who says so is enough, as a third
// may not know yet, or have been removed as well.
func (m *Member) leave(ctx context.Context, stopped error) error {
	answers, err := m.ask(ctx)
	if err != nil {
		return err
	}
	n, err := m.notes()
	if err != nil {
		return err
	}
	for _, answer := range answers {
		if errors.Is(stopped, errDisplaced) || !answer.member(n.Self) {
			return m.setAside("the other members do not have it any more")
		}
	}
	return fmt.Errorf("embedded etcd: %w", stopped)
}

// do has the data changed while the member is stopped, and waits until it serves again.
func (m *Member) do(ctx context.Context, change func() error) error {
	o := order{change: change, done: make(chan error, 1)}
	select {
	case m.orders <- o:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-o.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
