package etcd

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// Defaults of a Config.
const (
	DefaultDialTimeout    = 5 * time.Second
	DefaultRequestTimeout = 3 * time.Second
)

// Config says where the etcd cluster is and how to speak to it.
type Config struct {
	Endpoints []string // URLs, http or https, or unix; all of one kind

	CAFile   string // PEM; whom to trust to be an endpoint, the system's roots if empty
	CertFile string // PEM; our certificate, for clusters that demand one
	KeyFile  string // PEM; its key

	Username string
	Password string

	DialTimeout    time.Duration // for authentication when the client is made; DefaultDialTimeout if 0
	RequestTimeout time.Duration // for every request; DefaultRequestTimeout if 0

	// TTL is that of the cluster's sessions: a member that no longer speaks is left within half of it, but not within
	// less than 5 s or more than 30 s. May be 0.
	TTL time.Duration
}

// Validate tells what is wrong with the settings, without looking at files.
func (c Config) Validate() error {
	if len(c.Endpoints) == 0 {
		return errors.New("etcd: no endpoints")
	}
	secure := 0
	for _, endpoint := range c.Endpoints {
		scheme, address, ok := strings.Cut(endpoint, "://")
		if !ok || address == "" {
			return fmt.Errorf("etcd endpoint %q: not a URL such as http://10.0.0.1:2379", endpoint)
		}
		switch scheme {
		case "http", "unix":
		case "https", "unixs":
			secure++
		default:
			return fmt.Errorf("etcd endpoint %q: unknown scheme %q", endpoint, scheme)
		}
	}
	switch {
	case secure != 0 && secure != len(c.Endpoints):
		return errors.New("etcd: some endpoints are https and some are not")
	case secure == 0 && c.CAFile+c.CertFile+c.KeyFile != "":
		return errors.New("etcd: certificates are given, but the endpoints are not https")
	case (c.CertFile == "") != (c.KeyFile == ""):
		return errors.New("etcd: a certificate needs its key, and a key its certificate")
	case (c.Username == "") != (c.Password == ""):
		return errors.New("etcd: a user needs a password, and a password its user")
	}
	return nil
}

// tls returns nil for plain endpoints.
func (c Config) tls() (*tls.Config, error) {
	if !strings.HasPrefix(c.Endpoints[0], "https://") && !strings.HasPrefix(c.Endpoints[0], "unixs://") {
		return nil, nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("etcd CA file: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("etcd CA file %s: there is no certificate in it", c.CAFile)
		}
	}
	if c.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("etcd certificate: %w", err)
		}
		t.Certificates = []tls.Certificate{cert}
	}
	return t, nil
}
