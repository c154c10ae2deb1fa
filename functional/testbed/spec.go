package testbed

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

const (
	// DefaultTTL is how long fleetd's lease lives without a renewal.
	DefaultTTL = 10 * time.Second

	// MaxHosts is what one cluster's subnet and a build machine's patience hold.
	MaxHosts = 150

	// EmbeddedMembers is how many hosts carry an embedded etcd, when there are
	// that many.
	EmbeddedMembers = 3

	// ExternalMembers is how many etcd processes ExternalEtcd starts.
	ExternalMembers = 3
)

// Spec says what cluster is wanted. Its zero value lacks only Name, Hosts and
// Source.
type Spec struct {
	// Name tells clusters apart; a short word of lower-case letters, digits and
	// dashes.
	Name string `json:"name"`

	// Hosts is how many hosts to have.
	Hosts int `json:"hosts"`

	// Source is the root of the repository: bin/ and scripts/dist/ in it are what
	// is installed on the hosts.
	Source string `json:"source"`

	// ExternalEtcd starts three etcd processes (Source/bin/etcd) beside the
	// hosts, instead of the ones that fleetd embeds.
	ExternalEtcd bool `json:"external_etcd,omitempty"`

	// EtcdDisks gives each of those processes a disk of its own, which Etcd.FreezeDisk can stop.
	EtcdDisks bool `json:"etcd_disks,omitempty"`

	// TTL is fleetd's agent_ttl.
	TTL time.Duration `json:"ttl,omitempty"`

	// Metadata is fleetd's metadata by host index: "disk=ssd,zone=a".
	Metadata map[int]string `json:"metadata,omitempty"`

	// Config is further settings of every fleetd. An empty value removes a
	// setting.
	Config map[string]string `json:"config,omitempty"`

	// Bare leaves fleetd off the hosts: systemd and nothing else.
	Bare bool `json:"bare,omitempty"`
}

var nameRule = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// Validate reports what is wrong with the specification.
func (s Spec) Validate() error {
	if err := validName(s.Name); err != nil {
		return err
	}
	if s.Hosts < 1 || s.Hosts > MaxHosts {
		return fmt.Errorf("a cluster has 1 to %d hosts, not %d", MaxHosts, s.Hosts)
	}
	if s.Source == "" {
		return errors.New("no source tree given to take fleetd from")
	}
	if s.TTL < 0 {
		return fmt.Errorf("a TTL of %s is not possible", s.TTL)
	}
	for i := range s.Metadata {
		if i < 1 || i > s.Hosts {
			return fmt.Errorf("metadata for host %d, but the hosts are 1 to %d", i, s.Hosts)
		}
	}
	return nil
}

func validName(name string) error {
	if !nameRule.MatchString(name) {
		return fmt.Errorf("cluster name %q: want a letter, then up to 30 lower-case letters, digits and dashes", name)
	}
	return nil
}

// withDefaults returns the specification complete, sharing nothing with s.
func (s Spec) withDefaults() (Spec, error) {
	source, err := filepath.Abs(s.Source)
	if err != nil {
		return Spec{}, fmt.Errorf("find source tree %s: %w", s.Source, err)
	}
	s.Source = source
	if s.TTL == 0 {
		s.TTL = DefaultTTL
	}
	s.Metadata = cloned(s.Metadata)
	s.Config = cloned(s.Config)
	return s, nil
}

// cloned is maps.Clone with an empty map for none.
func cloned[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return maps.Clone(m)
}

// sortedKeys returns the keys of m in order.
func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
