package embedded

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/embed"
	"google.golang.org/grpc"
)

// Config says which member of which cluster to run.
type Config struct {
	Name    string // of the member; "default" if empty
	DataDir string // of this member alone; created if missing

	// The members reach each other at the peer URLs, and clients reach the member at its
	// client URLs. What to listen at is loopback's 2380 and 2379 if empty; what to advertise is what is listened at.
	ListenPeerURLs      []string
	ListenClientURLs    []string
	AdvertisePeerURLs   []string
	AdvertiseClientURLs []string

	InitialCluster      string // all first members, "a=http://10.0.0.1:2380,b=http://…"; this one alone if empty
	InitialClusterToken string // tells clusters apart; "fleet" if empty

	// Certificates for https URLs: everybody who connects must show one of the CA's. PEM files.
	CAFile   string
	CertFile string
	KeyFile  string

	// Endpoints is told by a Member at which URLs this process reaches the store now: the member's own
	// while it serves, those of the others while it does not. nil: nobody wants to know.
	Endpoints func(urls []string) `json:"-"`

	Quota int64 // how large the database may become, in bytes, before it refuses to grow; DefaultQuota if 0

	Logger *slog.Logger `json:"-"` // for etcd's warnings and errors; nil discards
}

// The times of the cluster. They must be the same for all members.
const (
	heartbeat = 50 * time.Millisecond
	election  = 500 * time.Millisecond

	// lessorTick is how often etcd's leader looks for leases that have ended.
	lessorTick = 500 * time.Millisecond
)

// DefaultQuota is how large the database of a member may become, in bytes.
const DefaultQuota = 2 << 30

const (
	defaultPeerURL   = "http://127.0.0.1:2380"
	defaultClientURL = "http://127.0.0.1:2379"

	// compactAfter is how long former values are kept; a reader who was away longer reads everything anew.
	compactAfter = "5m"

	// etcd keeps as many of the last writes in memory as two of these added
	// up. A record is large, hundreds of kilobytes for a machine with a
	// thousand units, and writes are few.
	snapshotCount   = 500
	catchUpEntries  = 250
	maxRequestBytes = embed.DefaultMaxRequestBytes

	// Windows of a fixed size, in bytes, spare gRPC a ping for whatever comes, by which it would find out one by itself.
	streamWindow     = 1 << 20
	connectionWindow = 4 << 20

	// maxLearners is how many members may be on their way into the cluster at a time.
	maxLearners = 5
)

// etcd returns the settings as etcd has them.
func (c Config) etcd() (*embed.Config, error) {
	if c.DataDir == "" {
		return nil, errors.New("no data directory")
	}
	e := embed.NewConfig()
	e.Dir = c.DataDir
	e.TickMs, e.ElectionMs = uint(heartbeat.Milliseconds()), uint(election.Milliseconds())
	e.PreVote = true
	e.AutoCompactionMode, e.AutoCompactionRetention = embed.CompactorModePeriodic, compactAfter
	e.QuotaBackendBytes = cmp.Or(c.Quota, DefaultQuota)
	e.SnapshotCount, e.SnapshotCatchUpEntries = snapshotCount, catchUpEntries
	e.MaxRequestBytes = maxRequestBytes
	e.MaxLearners = maxLearners
	e.EnableGRPCGateway = false
	e.GRPCAdditionalServerOptions = []grpc.ServerOption{
		grpc.StaticStreamWindowSize(streamWindow), grpc.StaticConnWindowSize(connectionWindow),
	}
	e.ZapLoggerBuilder = embed.NewZapLoggerBuilder(bridge(c.Logger))
	if c.Name != "" {
		e.Name = c.Name
	}
	initial, err := c.initial()
	if err != nil {
		return nil, err
	}
	if len(c.AdvertisePeerURLs) == 0 {
		c.AdvertisePeerURLs = initial[c.name()].StringSlice()
	}
	if err := c.urls(e); err != nil {
		return nil, err
	}
	e.InitialClusterToken = c.token()
	e.InitialCluster = c.InitialCluster
	if e.InitialCluster == "" {
		e.InitialCluster = e.InitialClusterFromName(e.Name)
	}
	e.ClusterState = embed.ClusterStateFlagNew
	if c.hasMember() {
		e.ClusterState = embed.ClusterStateFlagExisting
	}
	e.ClientTLSInfo, e.PeerTLSInfo = c.tls(), c.tls()
	return e, nil
}

func (c Config) tls() transport.TLSInfo {
	if c.CertFile == "" {
		return transport.TLSInfo{}
	}
	return transport.TLSInfo{CertFile: c.CertFile, KeyFile: c.KeyFile, TrustedCAFile: c.CAFile, ClientCertAuth: c.CAFile != ""}
}

func (c Config) token() string { return cmp.Or(c.InitialClusterToken, "fleet") }

// initial are the peer URLs of the first members by their names.
func (c Config) initial() (types.URLsMap, error) {
	initial, err := types.NewURLsMap(c.InitialCluster)
	if err != nil {
		return nil, fmt.Errorf("initial cluster %q: %w", c.InitialCluster, err)
	}
	return initial, nil
}

func (c Config) urls(e *embed.Config) error {
	for _, u := range []struct {
		into      *[]url.URL
		what      string
		given     []string
		otherwise []string
	}{
		{&e.ListenPeerUrls, "listen for peers at", c.ListenPeerURLs, []string{defaultPeerURL}},
		{&e.ListenClientUrls, "listen for clients at", c.ListenClientURLs, []string{defaultClientURL}},
		{&e.AdvertisePeerUrls, "advertise to peers", c.AdvertisePeerURLs, c.ListenPeerURLs},
		{&e.AdvertiseClientUrls, "advertise to clients", c.AdvertiseClientURLs, c.ListenClientURLs},
	} {
		if len(u.given) == 0 {
			u.given = u.otherwise
		}
		if len(u.given) == 0 {
			continue // etcd's own default, which is ours
		}
		*u.into = nil
		for _, s := range u.given {
			parsed, err := url.Parse(s)
			if err != nil || parsed.Host == "" {
				return fmt.Errorf("%s %q: not a URL such as %s", u.what, s, defaultPeerURL)
			}
			*u.into = append(*u.into, *parsed)
		}
	}
	return nil
}

// hasMember tells whether the data directory is that of a member which has started before.
func (c Config) hasMember() bool {
	_, err := os.Stat(filepath.Join(c.DataDir, "member", "wal"))
	return err == nil
}
