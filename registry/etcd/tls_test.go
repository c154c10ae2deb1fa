package etcd_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"fleet/cluster"
	"fleet/registry"
	"fleet/registry/embedded"
	"fleet/registry/etcd"
	"fleet/registry/storetest"
)

// authority signs certificates for loopback.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newAuthority(t *testing.T) authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	check(t, err)
	cert, err := x509.ParseCertificate(der)
	check(t, err)
	return authority{cert: cert, key: key, file: write(t, "CERTIFICATE", der)}
}

func (a authority) issue(t *testing.T, address net.IP) (cert, key string) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{address},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, private.Public(), a.key)
	check(t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	check(t, err)
	return write(t, "CERTIFICATE", der), write(t, "PRIVATE KEY", raw)
}

func write(t *testing.T, kind string, der []byte) string {
	path := filepath.Join(t.TempDir(), "pem")
	check(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	return path
}

func secureURL(t *testing.T) *url.URL {
	u, err := url.Parse(storetest.FreeURL(t))
	check(t, err)
	u.Scheme = "https"
	return u
}

func TestTLSIsVerifiedBothWays(t *testing.T) {
	if testing.Short() {
		t.Skip("starts an etcd")
	}
	ca, foreign := newAuthority(t), newAuthority(t)
	peers, clients := secureURL(t), secureURL(t)
	address := net.ParseIP(clients.Hostname())
	cert, key := ca.issue(t, address)
	server, err := embedded.Start(t.Context(), embedded.Config{
		DataDir:          t.TempDir(),
		ListenPeerURLs:   []string{peers.String()},
		ListenClientURLs: []string{clients.String()},
		CAFile:           ca.file, CertFile: cert, KeyFile: key,
	})
	check(t, err)
	defer server.Close()

	foreignCert, foreignKey := foreign.issue(t, address)
	for _, c := range []struct {
		what    string
		config  etcd.Config
		welcome bool
	}{
		{"all right", etcd.Config{CAFile: ca.file, CertFile: cert, KeyFile: key}, true},
		{"no certificate", etcd.Config{CAFile: ca.file}, false},
		{"another CA's certificate", etcd.Config{CAFile: ca.file, CertFile: foreignCert, KeyFile: foreignKey}, false},
		{"another CA trusted", etcd.Config{CAFile: foreign.file, CertFile: cert, KeyFile: key}, false},
		{"the system's CAs trusted", etcd.Config{CertFile: cert, KeyFile: key}, false},
	} {
		c.config.Endpoints = server.Endpoints()
		c.config.RequestTimeout = time.Second
		client, err := etcd.Dial(t.Context(), c.config)
		check(t, err)
		_, err = client.Range(t.Context(), registry.Query{Keys: registry.Keys{Name: "x"}})
		if (err == nil) != c.welcome {
			t.Errorf("%s: %v", c.what, err)
		}
		check(t, client.Close())
	}
}

func TestUserWithAPassword(t *testing.T) {
	server := startServer(t)
	admin, err := clientv3.New(clientv3.Config{Endpoints: server.Endpoints(), Logger: zap.NewNop()})
	check(t, err)
	defer admin.Close()
	_, err = admin.RoleAdd(t.Context(), "root")
	check(t, err)
	_, err = admin.RoleAdd(t.Context(), "fleet")
	check(t, err)
	_, err = admin.RoleGrantPermission(t.Context(), "fleet", "/fleet/", clientv3.GetPrefixRangeEnd("/fleet/"), clientv3.PermissionType(clientv3.PermReadWrite))
	check(t, err)
	for user, role := range map[string]string{"root": "root", "fleet": "fleet"} {
		_, err = admin.UserAdd(t.Context(), user, "secret")
		check(t, err)
		_, err = admin.UserGrantRole(t.Context(), user, role)
		check(t, err)
	}
	_, err = admin.AuthEnable(t.Context())
	check(t, err)

	_, err = etcd.Dial(t.Context(), etcd.Config{Endpoints: server.Endpoints(), Username: "fleet", Password: "wrong"})
	if err == nil || errors.Is(err, cluster.ErrUnavailable) {
		t.Errorf("a wrong password: %v", err)
	}
	client, err := etcd.Dial(t.Context(), etcd.Config{Endpoints: server.Endpoints(), Username: "fleet", Password: "secret"})
	check(t, err)
	defer client.Close()
	lease, err := client.Grant(t.Context(), time.Minute)
	check(t, err)
	_, err = client.KeepAlive(t.Context(), lease)
	check(t, err)
	out, err := client.Txn(t.Context(), registry.Txn{Then: []registry.Op{registry.Put("/fleet/x", nil, lease)}})
	check(t, err)
	err = client.Watch(t.Context(), registry.Keys{Name: "/fleet/", Prefix: true}, out.Revision, func(registry.Batch) error { return context.Canceled })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("watch: %v", err)
	}
	if _, err = client.Range(t.Context(), registry.Query{Keys: registry.Keys{Name: "/other"}}); err == nil {
		t.Error("read beyond what the user may")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err = client.Watch(ctx, registry.Keys{Name: "/other"}, 1, func(registry.Batch) error { return nil })
	if err == nil || ctx.Err() != nil {
		t.Errorf("watched beyond what the user may: %v", err)
	}

	// A stream has the token that was valid when it began; it is not to refuse what comes later.
	root, err := clientv3.New(clientv3.Config{Endpoints: server.Endpoints(), Username: "root", Password: "secret", Logger: zap.NewNop()})
	check(t, err)
	defer root.Close()
	old := watchKey(t, client, "/fleet/old", out.Revision)
	set(t, client, "/fleet/old", nil)
	eventually(t, "an event", func() bool { return old.count() == 1 })
	_, err = root.UserChangePassword(t.Context(), "fleet", "secret") // which ends all tokens of the user
	check(t, err)
	young := watchKey(t, client, "/fleet/young", out.Revision)
	for _, key := range []string{"/fleet/old", "/fleet/young"} {
		set(t, client, key, nil)
	}
	eventually(t, "an event of a watch that began with the former token", func() bool { return old.count() == 2 })
	eventually(t, "an event of a watch that began later", func() bool { return young.count() == 1 })
}
