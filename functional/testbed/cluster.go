package testbed

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"
)

// DefaultHosts is how many hosts Up makes when it is not told.
const DefaultHosts = 3

// Cluster is some hosts on a bridge. Its methods may be called from several
// goroutines.
type Cluster struct {
	root string // of the cgroups

	mu struct {
		sync.Mutex
		state state
		hosts []*Host
		etcds []*Etcd
	}
}

// Open returns a cluster that some process brought up; ErrNoCluster if there is
// none.
func Open(name string) (*Cluster, error) {
	if err := validName(name); err != nil {
		return nil, err
	}
	s, err := loadState(name)
	if err != nil {
		return nil, err
	}
	root, err := findCgroupRoot()
	if err != nil {
		return nil, err
	}
	c := &Cluster{root: root}
	c.set(s)
	return c, nil
}

// set makes the cluster be what the state says; hosts already handed out stay the
// same.
func (c *Cluster) set(s state) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.state = s
	for i := len(c.mu.hosts) + 1; i <= s.Hosts; i++ {
		c.mu.hosts = append(c.mu.hosts, newHost(s, c.root, i))
	}
	for i := len(c.mu.etcds) + 1; s.ExternalEtcd && i <= ExternalMembers; i++ {
		c.mu.etcds = append(c.mu.etcds, newEtcd(s, c.root, i))
	}
}

func (c *Cluster) current() state {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.state
}

// Hosts returns all hosts, on or off, in order of their index.
func (c *Cluster) Hosts() []*Host {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*Host(nil), c.mu.hosts...)
}

// Etcds returns the separate etcd processes; none if etcd is embedded.
func (c *Cluster) Etcds() []*Etcd {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*Etcd(nil), c.mu.etcds...)
}

// Host returns the host of an index from 1.
func (c *Cluster) Host(index int) (*Host, error) {
	hosts := c.Hosts()
	if index < 1 || index > len(hosts) {
		return nil, fmt.Errorf("no host %d: the hosts are 1 to %d", index, len(hosts))
	}
	return hosts[index-1], nil
}

// StartEtcd starts a separate etcd process that was killed or stopped. It returns
// at once: see Etcd.Healthy.
func (c *Cluster) StartEtcd(ctx context.Context, index int) error {
	etcds := c.Etcds()
	if index < 1 || index > len(etcds) {
		return fmt.Errorf("no etcd process %d: there are %d", index, len(etcds))
	}
	e := etcds[index-1]
	unlock, err := e.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return e.start(ctx, c.current())
}

// Up brings a cluster up: makes it, or completes and boots the one there is, which
// may be the leavings of an interrupted Up. Zero values of the spec keep what an
// existing cluster has. Binaries, units and settings that changed are installed,
// and fleetd is restarted where it ran with others. Progress is told in short
// sentences.
//
// When Up returns all hosts run; WaitMachines waits for fleet.
func Up(ctx context.Context, spec Spec, progress func(string)) (*Cluster, error) {
	if err := preflight(); err != nil {
		return nil, err
	}
	if err := validName(spec.Name); err != nil {
		return nil, err
	}
	unlock, err := lock(ctx, spec.Name)
	if err != nil {
		return nil, err
	}
	defer unlock()

	s, err := loadState(spec.Name)
	switch {
	case errors.Is(err, ErrNoCluster):
		s, err = create(ctx, spec)
	case err == nil:
		s, err = s.extended(spec)
	}
	if err != nil {
		return nil, err
	}
	c, err := Open(s.Name)
	if err != nil {
		return nil, err
	}
	return c, c.complete(ctx, progress)
}

func create(ctx context.Context, spec Spec) (state, error) {
	if spec.Hosts == 0 {
		spec.Hosts = DefaultHosts
	}
	spec, err := spec.withDefaults()
	if err != nil {
		return state{}, err
	}
	if err := spec.Validate(); err != nil {
		return state{}, err
	}
	return claim(ctx, spec)
}

// extended returns the state with what the spec adds to it, saved.
func (s state) extended(spec Spec) (state, error) {
	if spec.ExternalEtcd && !s.ExternalEtcd {
		return state{}, fmt.Errorf("cluster %q keeps its data in embedded etcd; take it down first to have external etcd", s.Name)
	}
	if spec.TTL == 0 {
		spec.TTL = s.TTL
	}
	spec, err := spec.withDefaults()
	if err != nil {
		return state{}, err
	}
	s.Hosts = max(s.Hosts, spec.Hosts)
	s.TTL, s.Source = spec.TTL, spec.Source
	s.Metadata, s.Config = cloned(s.Metadata), cloned(s.Config)
	maps.Copy(s.Metadata, spec.Metadata)
	maps.Copy(s.Config, spec.Config)
	if err := s.Validate(); err != nil {
		return state{}, err
	}
	return s, s.save()
}

// complete makes everything that the state asks for and is not there.
func (c *Cluster) complete(ctx context.Context, progress func(string)) error {
	s := c.current()
	if err := raiseLimits(progress); err != nil {
		return err
	}
	lower, err := rootfs(ctx, progress)
	if err != nil {
		return err
	}
	if err := ensureBridge(ctx, s.Slot); err != nil {
		return err
	}
	for _, e := range c.Etcds() {
		progress(fmt.Sprintf("starting etcd %s at %s", e.Name, e.URL()))
		if err := os.MkdirAll(e.dir, 0o755); err != nil {
			return fmt.Errorf("start etcd %s: %w", e.Name, err)
		}
		if err := c.StartEtcd(ctx, e.Index); err != nil {
			return err
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4 * runtime.NumCPU())
	for _, h := range c.Hosts() {
		group.Go(func() error {
			if err := h.bring(ctx, lower, s); err != nil {
				return err
			}
			progress(fmt.Sprintf("%s is up at %s", h.Name, h.Address))
			return nil
		})
	}
	return group.Wait()
}

// Add makes one more host and boots it.
func (c *Cluster) Add(ctx context.Context) (*Host, error) {
	name := c.current().Name
	unlock, err := lock(ctx, name)
	if err != nil {
		return nil, err
	}
	defer unlock()
	s, err := loadState(name)
	if err != nil {
		return nil, err
	}
	s.Hosts++
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if err := s.save(); err != nil {
		return nil, err
	}
	c.set(s)
	h, err := c.Host(s.Hosts)
	if err != nil {
		return nil, err
	}
	lower, err := rootfs(ctx, func(string) {})
	if err != nil {
		return nil, err
	}
	return h, h.bring(ctx, lower, s)
}

// bring makes the host be there, run, and have what the state says.
func (h *Host) bring(ctx context.Context, lower string, s state) error {
	unlock, err := h.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := mountOverlay(lower, h.dir); err != nil {
		return err
	}
	ran, err := h.group.populated()
	if err != nil {
		return err
	}
	changed, err := h.install(s)
	if err != nil {
		return err
	}
	if err := h.boot(ctx); err != nil {
		return err
	}
	if ran && changed {
		return h.RestartFleetd(ctx)
	}
	return nil
}
