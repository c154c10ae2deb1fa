package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
)

// listen opens the sockets of the API: those that systemd passes, or else the
// unix socket of the settings; and TCP if it is set.
func listen(s Settings) ([]net.Listener, error) {
	var all []net.Listener
	closeAll := func() {
		for _, l := range all {
			l.Close()
		}
	}
	passed, err := activation.Listeners()
	if err != nil {
		return nil, fmt.Errorf("take the sockets that systemd passes: %w", err)
	}
	for _, l := range passed {
		if l != nil {
			all = append(all, l)
		}
	}
	if len(all) == 0 {
		l, err := listenUnix(s.APISocket)
		if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	if s.APIListen == "" {
		return all, nil
	}
	l, err := listenTCP(s)
	if err != nil {
		closeAll()
		return nil, err
	}
	return append(all, l), nil
}

// listenUnix takes over the socket of a fleetd that is gone. That no other lives is
// known from the lock on the state directory; a socket that answers belongs to
// somebody else all the same.
func listenUnix(path string) (net.Listener, error) {
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		conn.Close()
		return nil, fmt.Errorf("api_socket %s: another process already listens there", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove the stale socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen for the API: %w", err)
	}
	// Whoever writes to this socket is root on every machine of the cluster.
	if err := os.Chmod(path, 0o660); err != nil {
		l.Close()
		return nil, fmt.Errorf("protect %s: %w", path, err)
	}
	return l, nil
}

func listenTCP(s Settings) (net.Listener, error) {
	u, err := url.Parse(s.APIListen)
	if err != nil {
		return nil, fmt.Errorf("api_listen: %w", err)
	}
	var config *tls.Config
	if u.Scheme == "https" {
		if config, err = mutualTLS(s); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("tcp", u.Host)
	if err != nil {
		return nil, fmt.Errorf("listen for the API: %w", err)
	}
	if config != nil {
		l = tls.NewListener(l, config)
	}
	return l, nil
}

// mutualTLS demands a certificate of every client, signed by api_cafile.
func mutualTLS(s Settings) (*tls.Config, error) {
	pair, pool, err := apiCertificates(s)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{pair},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    pool,
		NextProtos:   []string{"h2", "http/1.1"},
	}, nil
}
