package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"fleet/cluster"
	"fleet/registry/embedded"
	"fleet/registry/etcd"
)

// keeper looks after the store for the API: the members of etcd, its snapshots, and this machine's own member.
type keeper struct {
	settings Settings
	client   *etcd.Client
	member   *embedded.Member // nil: etcd is not embedded here
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

// alike are the URLs of one scheme: a client speaks with all members in one way.
func alike(urls []string, one string) []string {
	scheme, _, _ := strings.Cut(one, "://")
	return slices.DeleteFunc(slices.Clone(urls), func(u string) bool { return !strings.HasPrefix(u, scheme+"://") })
}

// Status implements api.Keeper.
func (k *keeper) Status(ctx context.Context) (cluster.Store, error) {
	s, err := k.client.Store(ctx)
	s.Embedded = k.member != nil
	if !s.Embedded {
		return s, err
	}
	s.Condition = k.member.Condition()
	if err != nil {
		s.Problem, err = err.Error(), nil
	}
	for i, m := range s.Members {
		s.Members[i].Local = m.ID == k.member.ID()
	}
	return s, err
}

// First implements api.Keeper.
func (k *keeper) First() string { return k.settings.EtcdInitialCluster }

// Add implements api.Keeper.
func (k *keeper) Add(ctx context.Context, peerURL string) (cluster.StoreMember, error) {
	return k.client.AddMember(ctx, peerURL)
}

// Remove implements api.Keeper.
func (k *keeper) Remove(ctx context.Context, id string) error { return k.client.RemoveMember(ctx, id) }

// Snapshot implements api.Keeper.
func (k *keeper) Snapshot(ctx context.Context) (io.ReadCloser, error) { return k.client.Snapshot(ctx) }

// Recover implements api.Keeper.
func (k *keeper) Recover(ctx context.Context) error {
	if k.member == nil {
		return cluster.ErrNotEmbedded
	}
	k.log.Warn("etcd is made anew out of this machine's member, as an operator asked for")
	if err := k.member.Recover(ctx); err != nil {
		return fmt.Errorf("recover etcd from this machine's member: %w", err)
	}
	return nil
}

// Restore implements api.Keeper.
func (k *keeper) Restore(ctx context.Context, snapshot io.Reader) error {
	if k.member == nil {
		return cluster.ErrNotEmbedded
	}
	k.log.Warn("etcd is made anew out of a snapshot, as an operator asked for")
	if err := k.member.Restore(ctx, snapshot); err != nil {
		return fmt.Errorf("restore a snapshot of etcd: %w", err)
	}
	return nil
}
