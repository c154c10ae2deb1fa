package testbed

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAptSourcesAreReadInBothFormats(t *testing.T) {
	list := `
# deb http://comment.example bookworm main
deb http://one.example/debian bookworm main contrib # trailing
deb [signed-by=/k.gpg arch=amd64] http://two.example bookworm-security main
deb-src http://source.example bookworm main
deb http://other.example bookworm contrib
`
	want := []aptLine{{"http://one.example/debian", "bookworm"}, {"http://two.example", "bookworm-security"}}
	if diff := cmp.Diff(want, parseList(list), cmp.AllowUnexported(aptLine{})); diff != "" {
		t.Errorf("one-line format (-want +got):\n%s", diff)
	}

	stanzas := `Types: deb
# a comment: here
URIs: http://one.example/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb-src
URIs: http://source.example
Suites: bookworm
Components: main

Enabled: no
Types: deb
URIs: http://off.example
Suites: bookworm
Components: main
`
	want = []aptLine{{"http://one.example/debian", "bookworm"}, {"http://one.example/debian", "bookworm-updates"}}
	if diff := cmp.Diff(want, parseStanzas(stanzas), cmp.AllowUnexported(aptLine{})); diff != "" {
		t.Errorf("deb822 format (-want +got):\n%s", diff)
	}
}

func TestConfigOfMembersAndOfLaterHosts(t *testing.T) {
	s := state{
		Spec: Spec{
			Name: "x", Hosts: 4, TTL: DefaultTTL,
			Metadata: map[int]string{4: "disk=ssd"},
			Config:   map[string]string{"log_level": "debug", "api_listen": ""},
		},
		Slot: 7, Members: embeddedMembers(4),
	}
	member := newHost(s, "", 2).config(s)
	want := `agent_ttl = 10s
api_insecure = true
etcd_initial_cluster = h1=http://10.213.7.1:2380,h2=http://10.213.7.2:2380,h3=http://10.213.7.3:2380
etcd_listen_client_urls = http://10.213.7.2:2379,http://127.0.0.1:2379
etcd_listen_peer_urls = http://10.213.7.2:2380
etcd_name = h2
log_level = debug
public_ip = 10.213.7.2
`
	if diff := cmp.Diff(want, member); diff != "" {
		t.Errorf("a host with an etcd of its own (-want +got):\n%s", diff)
	}
	later := newHost(s, "", 4).config(s)
	for _, line := range []string{
		"etcd_servers = http://10.213.7.1:2379,http://10.213.7.2:2379,http://10.213.7.3:2379\n",
		"metadata = disk=ssd\n",
	} {
		if !strings.Contains(later, line) {
			t.Errorf("a later host lacks %q in:\n%s", line, later)
		}
	}
	if strings.Contains(later, "initial_cluster") {
		t.Errorf("a later host embeds etcd:\n%s", later)
	}
}

func TestTwoHostsShareOneEtcd(t *testing.T) {
	if diff := cmp.Diff([]int{1}, embeddedMembers(2)); diff != "" {
		t.Errorf("two members lose their quorum with either (-want +got):\n%s", diff)
	}
}

func TestInterfaceNamesFitTheKernel(t *testing.T) {
	s := state{Spec: Spec{Name: "a-name-of-the-greatest-length-xx"}, Slot: lastSlot}
	const most = 15 // IFNAMSIZ, without the final zero
	if h := newHost(s, "", MaxHosts); len(h.link) > most {
		t.Errorf("%s has %d characters", h.link, len(h.link))
	}
	if MaxHosts >= firstEtcdAddress {
		t.Errorf("host %d has the address of an etcd process", MaxHosts)
	}
	if firstEtcdAddress+ExternalMembers >= bridgeAddress {
		t.Error("an etcd process has the address of the bridge")
	}
}

func TestNamesAreDirectories(t *testing.T) {
	for _, name := range []string{"", "..", "a/b", "A", "1a", "-a", strings.Repeat("a", 32)} {
		if err := validName(name); err == nil {
			t.Errorf("%q is accepted as a name", name)
		}
	}
}

func TestOverlappingNetworksAreAvoided(t *testing.T) {
	local := []netip.Prefix{netip.MustParsePrefix("10.213.0.0/16")}
	if !overlaps(subnet(3), local) {
		t.Error("a subnet inside of a local network is not seen")
	}
	if overlaps(subnet(3), []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")}) {
		t.Error("a foreign network is in the way")
	}
}
