package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"fleet/cluster"
	"fleet/registry"
	"fleet/registry/embedded"
	"fleet/registry/etcd"
)

// keeper looks after the store for the API: the members of etcd, its snapshots, and this machine's own member.
type keeper struct {
	settings Settings
	client   *etcd.Client
	member   *embedded.Member // nil: etcd is not embedded here
	restored func(context.Context) error
	log      *slog.Logger
}

func newKeeper(s Settings, address string, client *etcd.Client, log *slog.Logger) (*keeper, error) {
	k := &keeper{settings: s, client: client, log: log}
	if !s.Embedded() {
		return k, nil
	}
	member, err := embedded.NewMember(embedded.Config{
		Name:                s.EtcdName,
		DataDir:             s.EtcdDataDir,
		ListenPeerURLs:      s.EtcdListenPeerURLs,
		ListenClientURLs:    s.EtcdListenClientURLs,
		AdvertiseClientURLs: advertisedClients(s.EtcdListenClientURLs, address),
		InitialCluster:      s.EtcdInitialCluster,
		InitialClusterToken: s.EtcdInitialClusterToken,
		Quota:               s.EtcdQuota,
		CAFile:              s.EtcdCAFile,
		CertFile:            s.EtcdCertFile,
		KeyFile:             s.EtcdKeyFile,
		Endpoints:           k.use,
		Logger:              log,
	})
	if err != nil {
		return nil, err
	}
	k.member = member
	return k, nil
}

// advertisedClients are the URLs at which others reach what listens at these.
func advertisedClients(listen []string, address string) []string {
	all := slices.Clone(listen)
	for i, raw := range all {
		u, err := url.Parse(raw)
		if err != nil {
			continue
		}
		if ip, err := netip.ParseAddr(u.Hostname()); err == nil && ip.IsUnspecified() {
			u.Host = net.JoinHostPort(address, u.Port())
			all[i] = u.String()
		}
	}
	return all
}

// use has this fleetd reach etcd through its own member while that serves, and else through the others. The own one
// is enough, and shares its host's fate.
func (k *keeper) use(urls []string) {
	own := k.settings.EtcdListenClientURLs
	if slices.Equal(urls, own) {
		urls = own[:1]
	}
	if len(urls) > 0 {
		k.client.Use(urls)
	}
}

// reachable are the client URLs of all members. A fleetd without a member of its own uses them beside
// those that it was told: members may have been replaced since.
func (k *keeper) reachable(ctx context.Context) ([]string, error) {
	all, err := k.client.Members(ctx)
	if err == nil && k.member == nil {
		k.client.Use(union(k.settings.EtcdServers, alike(all, k.settings.EtcdServers[0])))
	}
	return all, err
}

// markKey is in an etcd whose members run in fleetds, so that one without a member knows. It lies beside all of fleet's records, and
// has who the members were to begin with: NAME=PEER-URL of each, with commas between them.
const markKey = "fleet/embedded"

// mark has those know that have no member that etcd is embedded. It is tried until the store has it, or ctx ends.
func (k *keeper) mark(ctx context.Context) error {
	for k.member != nil {
		_, err := k.client.Txn(ctx, registry.Txn{
			If:   []registry.Compare{registry.Absent(markKey)},
			Then: []registry.Op{registry.Put(markKey, []byte(k.settings.EtcdInitialCluster), 0)},
		})
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(markRetry):
		}
	}
	return nil
}

// markFormer notes who the members were that a store which was made anew has no more, for who brings them back.
func (k *keeper) markFormer(ctx context.Context, former []embedded.Known) {
	all := strings.FieldsFunc(k.settings.EtcdInitialCluster, func(r rune) bool { return r == ',' })
	for _, m := range former {
		for _, u := range m.PeerURLs {
			all = union(all, []string{m.Name + "=" + u})
		}
	}
	_, err := k.client.Txn(ctx, registry.Txn{Then: []registry.Op{registry.Put(markKey, []byte(strings.Join(all, ",")), 0)}})
	if err != nil {
		k.log.Warn("cannot note who the members of etcd were", "err", err)
	}
}

const markRetry = 10 * time.Second

func (k *keeper) marked(ctx context.Context) bool {
	noted, err := k.client.Peek(ctx, markKey)
	return err == nil && noted != nil
}

// noMember says why nothing can be recovered or restored here.
func (k *keeper) noMember(ctx context.Context) error {
	if k.marked(ctx) {
		return cluster.ErrNoMember
	}
	return cluster.ErrNotEmbedded
}

// alike are the URLs of one scheme: a client speaks with all members in one way.
func alike(urls []string, one string) []string {
	scheme, _, _ := strings.Cut(one, "://")
	return slices.DeleteFunc(slices.Clone(urls), func(u string) bool { return !strings.HasPrefix(u, scheme+"://") })
}

// Status implements api.Keeper.
func (k *keeper) Status(ctx context.Context) (cluster.Store, error) {
	s, err := k.client.Store(ctx)
	if k.member == nil {
		s.Embedded = err == nil && k.marked(ctx)
		return s, err
	}
	s.Embedded, s.Condition = true, k.member.Condition()
	if err != nil {
		s.Problem = err.Error()
	}
	for _, known := range k.member.Known() {
		m, found := s.NamedMember(known.ID)
		switch {
		case found && known.Local:
			i := slices.IndexFunc(s.Members, func(o cluster.StoreMember) bool { return o.ID == m.ID })
			s.Members[i].Local = true
		case err != nil:
			s.Members = append(s.Members, cluster.StoreMember{
				ID: known.ID, Name: known.Name, PeerURLs: known.PeerURLs, Local: known.Local, Problem: "not known: etcd does not serve here",
			})
		}
	}
	return s, nil
}

// First implements api.Keeper.
func (k *keeper) First(ctx context.Context) string {
	noted, err := k.client.Peek(ctx, markKey)
	if err != nil || len(noted) == 0 {
		return k.settings.EtcdInitialCluster
	}
	return string(noted)
}

// Add implements api.Keeper.
func (k *keeper) Add(ctx context.Context, peerURLs []string) (cluster.StoreMember, error) {
	return k.client.AddMember(ctx, peerURLs)
}

// Remove implements api.Keeper.
func (k *keeper) Remove(ctx context.Context, id string) error { return k.client.RemoveMember(ctx, id) }

// Snapshot implements api.Keeper.
func (k *keeper) Snapshot(ctx context.Context) (io.ReadCloser, error) { return k.client.Snapshot(ctx) }

// Recover implements api.Keeper.
func (k *keeper) Recover(ctx context.Context) error {
	if k.member == nil {
		return k.noMember(ctx)
	}
	k.log.Warn("etcd is made anew out of this machine's member, as an operator asked for")
	former := k.member.Known()
	if err := k.member.Recover(ctx); err != nil {
		return fmt.Errorf("recover etcd from this machine's member: %w", err)
	}
	k.markFormer(ctx, former)
	return nil
}

// Restore implements api.Keeper.
func (k *keeper) Restore(ctx context.Context, snapshot io.Reader) error {
	if k.member == nil {
		return k.noMember(ctx)
	}
	former := k.member.Known()
	err := k.member.Restore(ctx, snapshot)
	if errors.Is(err, embedded.ErrNoSnapshot) {
		return cluster.ErrNoSnapshot
	}
	if err != nil {
		return fmt.Errorf("restore a snapshot of etcd: %w", err)
	}
	k.markFormer(ctx, former)
	if err := k.restored(ctx); err != nil {
		return fmt.Errorf("begin a new epoch of the restored etcd: %w", err)
	}
	return nil
}
