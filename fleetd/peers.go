package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
)

// advertised is the URL at which other fleetds reach the API of this one; empty if they do not.
func (s Settings) advertised(address string) string {
	if s.APIAdvertise != "" || s.APIListen == "" {
		return s.APIAdvertise
	}
	u, err := url.Parse(s.APIListen)
	if err != nil || u.Port() == "0" {
		return ""
	}
	host := u.Hostname()
	switch ip := net.ParseIP(host); {
	case host == "" || ip != nil && ip.IsUnspecified():
		u.Host = net.JoinHostPort(address, u.Port())
	case host == "localhost" || ip != nil && ip.IsLoopback():
		return "" // nobody else reaches that
	}
	return u.String()
}

func (s Settings) validateAdvertise() error {
	if s.APIAdvertise == "" {
		return nil
	}
	u, err := url.Parse(s.APIAdvertise)
	if err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https") || u.RawQuery+u.Fragment != "" || u.User != nil {
		return fmt.Errorf("api_advertise = %s: expect https://ADDRESS:PORT, as the other machines reach this fleetd", s.APIAdvertise)
	}
	return nil
}

// validateCertificates: they are also what this fleetd shows to others, with or without a listener of its own.
func (s Settings) validateCertificates() error {
	given := 0
	for _, file := range []string{s.APICertFile, s.APIKeyFile, s.APICAFile} {
		if file != "" {
			given++
		}
	}
	if given == 1 || given == 2 {
		return fmt.Errorf("api_certfile, api_keyfile and api_cafile go together: only %d of them are set", given)
	}
	return nil
}

// peerTLS is how this fleetd asks others over TCP: with its own certificate, and demanding one
// that its authority has signed. nil without certificates: then only plain HTTP is possible.
func peerTLS(s Settings) (*tls.Config, error) {
	if s.APICertFile == "" {
		return nil, nil
	}
	pair, pool, err := apiCertificates(s)
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, RootCAs: pool}, nil
}
