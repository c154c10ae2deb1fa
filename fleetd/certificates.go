package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
)

// apiCertificates loads this fleetd's certificate, and the authority that others' are signed by.
func apiCertificates(s Settings) (tls.Certificate, *x509.CertPool, error) {
	pair, err := s.loadPair("api_certfile", s.APICertFile, "api_keyfile", s.APIKeyFile)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	pool, err := s.loadAuthority("api_cafile", s.APICAFile)
	return pair, pool, err
}

func (s Settings) loadPair(certKey, certFile, keyKey, keyFile string) (tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("load %s and %s: %w", s.said(certKey), s.said(keyKey), err)
	}
	return pair, nil
}

func (s Settings) loadAuthority(key, file string) (*x509.CertPool, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", s.said(key), err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(raw) {
		return nil, fmt.Errorf("%s: the file has no certificate", s.said(key))
	}
	return pool, nil
}

// certificateFiles looks at what the settings name: the error is that fleetd cannot start with it, the
// warnings are that others will not take it, or take too much.
func (s Settings) certificateFiles() (warnings []string, err error) {
	var errs []error
	if s.APICertFile != "" {
		pair, pool, err := apiCertificates(s)
		errs = append(errs, err)
		if err == nil {
			warnings = append(s.exposed("api_keyfile", s.APIKeyFile), s.unacceptable(pair.Leaf, pair.Certificate[1:], pool)...)
		}
	}
	if s.EtcdCertFile != "" {
		_, err := s.loadPair("etcd_certfile", s.EtcdCertFile, "etcd_keyfile", s.EtcdKeyFile)
		errs = append(errs, err)
		if err == nil {
			warnings = append(warnings, s.exposed("etcd_keyfile", s.EtcdKeyFile)...)
		}
	}
	if s.EtcdCAFile != "" {
		_, err := s.loadAuthority("etcd_cafile", s.EtcdCAFile)
		errs = append(errs, err)
	}
	return warnings, errors.Join(errs...)
}

// exposed warns of a key that is everybody's.
func (s Settings) exposed(key, file string) []string {
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm()&0o007 == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%s: every user of this machine can get at the key: its mode is %04o, make it 0600", s.said(key), info.Mode().Perm())}
}

// unacceptable warns if other fleetds will not take this one's certificate, as a client's or at the
// address that this machine announces. They go by the authority that this one goes by.
func (s Settings) unacceptable(cert *x509.Certificate, between [][]byte, pool *x509.CertPool) []string {
	verify := x509.VerifyOptions{Roots: pool, Intermediates: x509.NewCertPool()}
	for _, raw := range between {
		if c, err := x509.ParseCertificate(raw); err == nil {
			verify.Intermediates.AddCert(c)
		}
	}
	verify.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if _, err := cert.Verify(verify); err != nil {
		return []string{fmt.Sprintf("%s: other fleetds will not answer to it: %v", s.said("api_certfile"), err)}
	}
	announced := s.announced()
	u, err := url.Parse(announced)
	if err != nil || u.Scheme != "https" {
		return nil
	}
	verify.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	verify.DNSName = u.Hostname()
	if _, err := cert.Verify(verify); err != nil {
		return []string{fmt.Sprintf("%s: other fleetds will not accept it at %s, which this machine announces: %v", s.said("api_certfile"), announced, err)}
	}
	return nil
}

// announced is advertised with the address that this machine has; empty if it has none.
func (s Settings) announced() string {
	ip := s.PublicIP
	if ip == "" {
		found, err := address()
		if err != nil {
			return ""
		}
		ip = found
	}
	return s.advertised(ip)
}
