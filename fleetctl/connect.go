package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"fleet/api"
	"fleet/cluster"
)

// connect makes a client for the endpoint. Nothing is sent yet.
func (a *app) connect() (*api.Client, error) {
	config, err := a.tls(a.endpoint)
	if err != nil {
		return nil, err
	}
	o := api.ClientOptions{
		TLS:       config,
		UserAgent: "fleetctl/" + cluster.Version,
		Timeout:   time.Duration(a.requestTimeout),
		Log:       a.log(),
	}
	if a.openSSH.tunnel != "" {
		o.Dial = a.dialThroughTunnel
	}
	c, err := api.Dial(a.endpoint, o)
	if err != nil {
		return nil, usage(err)
	}
	return c, nil
}

// tls reads the TLS files. The server's certificate is always verified.
func (a *app) tls(endpoint string) (*tls.Config, error) {
	given := a.caFile != "" || a.certFile != "" || a.keyFile != ""
	if !given {
		return nil, nil
	}
	if strings.HasPrefix(endpoint, "http://") {
		return nil, usage(fmt.Errorf("TLS files are given, but endpoint %s is plain HTTP; write https://", endpoint))
	}
	if (a.certFile == "") != (a.keyFile == "") {
		return nil, usage(errors.New("--cert-file and --key-file must be given together"))
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if a.caFile != "" {
		pem, err := os.ReadFile(a.caFile)
		if err != nil {
			return nil, &fault{exitError, fmt.Errorf("read the certificate authority: %w", err)}
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, &fault{exitError, fmt.Errorf("read the certificate authority %s: no certificate in it", a.caFile)}
		}
	}
	if a.certFile != "" {
		pair, err := tls.LoadX509KeyPair(a.certFile, a.keyFile)
		if err != nil {
			return nil, &fault{exitError, fmt.Errorf("read the certificate %s with key %s: %w", a.certFile, a.keyFile, err)}
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
