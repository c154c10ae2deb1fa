package main

import (
	"path/filepath"
	"strings"
	"time"

	"fleet/cluster"
	"fleet/registry/embedded"
	"fleet/registry/etcd"
)

// self is this machine's record, without a session.
func self(s Settings) (cluster.Machine, error) {
	id, err := machineID(s.MachineIDFile)
	if err != nil {
		return cluster.Machine{}, err
	}
	boot, err := bootID()
	if err != nil {
		return cluster.Machine{}, err
	}
	ip := s.PublicIP
	if ip == "" {
		if ip, err = address(); err != nil {
			return cluster.Machine{}, err
		}
	}
	offer, err := s.offer()
	if err != nil {
		return cluster.Machine{}, err
	}
	return cluster.Machine{
		ID:       id,
		Session:  cluster.Session{BootID: boot},
		Address:  ip,
		API:      s.advertised(ip),
		Metadata: s.Metadata,
		Capacity: offer,
		Version:  cluster.Version,
	}, nil
}

func (s Settings) unitsDirectory() string {
	if s.UnitsDirectory != "" {
		return s.UnitsDirectory
	}
	return filepath.Join(s.StateDir, "units")
}

// leaseTTL is the TTL of this machine's lease. When etcd loses its leader the next
// one restarts the clock of every lease; a machine that is itself one of several
// embedded members may be lost together with that leader, so its lease is granted for less, and
// the machine still counts as lost within AgentTTL.
func (s Settings) leaseTTL() time.Duration {
	if s.Embedded() && strings.Contains(s.EtcdInitialCluster, ",") {
		return s.AgentTTL - embedded.LeaseSlack
	}
	return s.AgentTTL
}

func storeConfig(s Settings) etcd.Config {
	endpoints := s.EtcdServers
	if s.Embedded() {
		endpoints = s.EtcdListenClientURLs[:1]
	}
	return etcd.Config{
		Endpoints:      endpoints,
		CAFile:         s.EtcdCAFile,
		CertFile:       s.EtcdCertFile,
		KeyFile:        s.EtcdKeyFile,
		Username:       s.EtcdUsername,
		Password:       s.EtcdPassword,
		RequestTimeout: s.EtcdRequestTimeout,
		TTL:            s.AgentTTL,
	}
}
