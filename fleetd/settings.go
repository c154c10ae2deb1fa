package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fleet/api"
	"fleet/fleetd/capacity"
	"fleet/registry/embedded"
	"fleet/unit"
)

// Settings are everything that can be set of fleetd. Defaults returns working
// values; Validate says what does not go together.
type Settings struct {
	LogLevel  slog.Level
	LogFormat string // auto, journal, text or json

	EtcdServers        []string // endpoints of an external cluster; none: embed a member
	EtcdUsername       string
	EtcdPassword       string
	EtcdCertFile       string
	EtcdKeyFile        string
	EtcdCAFile         string
	EtcdKeyPrefix      string
	EtcdRequestTimeout time.Duration

	// The embedded member.
	EtcdName                string
	EtcdDataDir             string
	EtcdListenPeerURLs      []string
	EtcdListenClientURLs    []string
	EtcdInitialCluster      string
	EtcdInitialClusterToken string
	EtcdQuota               int64 // bytes

	MachineIDFile string
	PublicIP      string
	Metadata      map[string]string
	AgentTTL      time.Duration // a machine whose lease nothing has renewed for so long is lost
	DisableEngine bool

	// What this machine offers. A nil amount is not set.
	MaxUnits       int
	CapacityMemory *capacity.Amount
	CapacityCPU    *capacity.Amount
	CapacityDisk   *capacity.Amount
	ReserveMemory  *capacity.Amount
	ReserveCPU     *capacity.Amount
	ReserveDisk    *capacity.Amount
	DiskDirectory  string // on the file system whose size counts
	Resources      map[string]int64

	PlacementStrategy unit.Strategy

	// What the engine makes of lost machines.
	OnLost       unit.OnLost
	ReplaceAfter time.Duration
	LossLimit    int // percent
	LossWindow   time.Duration

	StateDir       string
	UnitsDirectory string
	SystemdUser    bool

	APISocket    string // path of the unix socket, unless systemd passes sockets
	APIListen    string // URL, http://ADDRESS:PORT or https://ADDRESS:PORT; empty: no TCP
	APIAdvertise string // URL at which the other fleetds reach this one; empty: follows from APIListen and the address
	APIInsecure  bool   // permits plain HTTP on TCP
	APICertFile  string // of this fleetd, as a server and when it asks another fleetd
	APIKeyFile   string
	APICAFile    string // authority of clients, and of other fleetds
	TokenLimit   int

	APIFollowMachines int // in a cluster of more the API follows it on demand

	// What one request, and one client, may take of the API.
	APIMaxBody        int64
	APIMaxHeader      int64
	APIMaxStreams     int
	APIMaxWrites      int
	APIRequestTimeout time.Duration

	given map[string]given // what was set, by key
}

// given is the text of a setting, and which file, variable or flag has it.
type given struct {
	text string
	from string
}

// said is a setting as whoever set it wrote it, for messages.
func (s Settings) said(key string) string {
	if s.given[key].from == "" {
		return key
	}
	return fmt.Sprintf("%s = %s (%s)", key, s.given[key].text, s.given[key].from)
}

// MinAgentTTL is the shortest agent_ttl: below it an election inside etcd would look like a lost machine.
const MinAgentTTL = 4 * time.Second

// Defaults are the settings of a fleetd that was told nothing. As root it
// drives the system's systemd, otherwise the user's.
func Defaults(root bool, env func(string) string) Settings {
	s := Settings{
		LogFormat:               "auto",
		EtcdKeyPrefix:           "/fleet/",
		EtcdRequestTimeout:      3 * time.Second,
		EtcdDataDir:             "/var/lib/fleet/etcd",
		EtcdListenPeerURLs:      []string{"http://127.0.0.1:2380"},
		EtcdListenClientURLs:    []string{"http://127.0.0.1:2379"},
		EtcdInitialClusterToken: "fleet",
		EtcdQuota:               embedded.DefaultQuota,
		MachineIDFile:           "/etc/machine-id",
		Metadata:                map[string]string{},
		AgentTTL:                10 * time.Second,
		MaxUnits:                2000,
		DiskDirectory:           "/",
		PlacementStrategy:       unit.Pack,
		OnLost:                  unit.Replace,
		LossLimit:               50,
		LossWindow:              time.Minute,
		StateDir:                "/run/fleet",
		APISocket:               "/run/fleet.sock",
		TokenLimit:              100,
		APIFollowMachines:       100,
		APIMaxBody:              2 << 20,
		APIMaxHeader:            64 << 10,
		APIMaxStreams:           500,
		APIMaxWrites:            1000,
		APIRequestTimeout:       time.Minute,
	}
	if !root {
		runtime := env("XDG_RUNTIME_DIR")
		state := env("XDG_STATE_HOME")
		if state == "" {
			state = filepath.Join(env("HOME"), ".local", "state")
		}
		s.SystemdUser = true
		s.EtcdDataDir = filepath.Join(state, "fleet", "etcd")
		s.StateDir = filepath.Join(runtime, "fleet")
		s.APISocket = filepath.Join(runtime, "fleet.sock")
		if home := env("HOME"); home != "" {
			s.DiskDirectory = home
		}
	}
	return s
}

// Embedded tells whether this fleetd runs an etcd member of its own.
func (s Settings) Embedded() bool { return len(s.EtcdServers) == 0 }

// Validate says which settings do not go together.
func (s Settings) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	if s.AgentTTL < MinAgentTTL || s.AgentTTL%time.Second != 0 {
		bad("agent_ttl = %s: expect whole seconds, at least %s", s.AgentTTL, MinAgentTTL)
	}
	if !strings.HasPrefix(s.EtcdKeyPrefix, "/") {
		bad("etcd_key_prefix = %s: expect a path that begins with /", s.EtcdKeyPrefix)
	}
	if s.MaxUnits < 1 {
		bad("max_units = %d: expect at least 1", s.MaxUnits)
	}
	if s.TokenLimit < 1 || s.TokenLimit > 65535 {
		bad("token_limit = %d: expect 1 to 65535", s.TokenLimit)
	}
	if !slices.Contains([]string{"auto", "journal", "text", "json"}, s.LogFormat) {
		bad("log_format = %s: expect auto, journal, text or json", s.LogFormat)
	}
	if s.PublicIP != "" && net.ParseIP(s.PublicIP) == nil {
		bad("public_ip = %s: expect an IP address", s.PublicIP)
	}
	if (s.EtcdCertFile == "") != (s.EtcdKeyFile == "") {
		bad("etcd_certfile and etcd_keyfile go together: only one of them is set")
	}
	if s.Embedded() && s.EtcdInitialCluster != "" && s.EtcdName == "" {
		bad("etcd_initial_cluster needs etcd_name: which of its members is this machine?")
	}
	if s.SystemdUser && s.StateDir == "fleet" {
		bad("XDG_RUNTIME_DIR is not set: fleetd of a user needs it, or state_dir and api_socket")
	}
	errs = append(errs, s.validateLosses(), s.validateAPI(), s.validateLimits(), s.validateAdvertise(), s.validateCertificates())
	return errors.Join(errs...)
}

func (s Settings) validateAPI() error {
	if s.APIListen == "" {
		return nil
	}
	u, err := url.Parse(s.APIListen)
	if err != nil {
		return fmt.Errorf("api_listen: %w", err)
	}
	if _, _, err := net.SplitHostPort(u.Host); err != nil || u.Path != "" {
		return fmt.Errorf("api_listen = %s: expect http://ADDRESS:PORT or https://ADDRESS:PORT", s.APIListen)
	}
	switch u.Scheme {
	case "http":
		if !s.APIInsecure {
			return fmt.Errorf("api_listen = %s is plain HTTP: whoever reaches it is root on every machine; use https:// with api_certfile, api_keyfile and api_cafile, or say api_insecure = true", s.APIListen)
		}
	case "https":
		if s.APICertFile == "" || s.APIKeyFile == "" || s.APICAFile == "" {
			return fmt.Errorf("api_listen = %s needs api_certfile, api_keyfile and api_cafile (the authority of client certificates)", s.APIListen)
		}
	default:
		return fmt.Errorf("api_listen = %s: expect http:// or https://", s.APIListen)
	}
	return nil
}

// validateLimits keeps limits from shutting out what fleet's own programs send, and from being none.
func (s Settings) validateLimits() error {
	var errs []error
	bad := func(key, expect string) { errs = append(errs, fmt.Errorf("%s: expect %s", s.said(key), expect)) }
	if s.APIMaxBody < 64<<10 || s.APIMaxBody > 64<<20 {
		bad("api_max_body", "64K to 64M")
	}
	if s.APIMaxHeader < 16<<10 || s.APIMaxHeader > maxHeader/2 {
		bad("api_max_header", "16K to 512K")
	}
	if s.APIMaxStreams < 1 {
		bad("api_max_streams", "at least 1")
	}
	if s.APIMaxWrites < 1 {
		bad("api_max_writes", "at least 1")
	}
	if s.APIFollowMachines < 0 || s.APIFollowMachines > 1_000_000 {
		bad("api_follow_machines", "a number of machines, 0 to 1000000")
	}
	if s.EtcdQuota < 64<<20 || s.EtcdQuota > 8<<30 {
		bad("etcd_quota", "64M to 8G")
	}
	if s.APIRequestTimeout < time.Second || s.APIRequestTimeout > time.Hour {
		bad("api_request_timeout", "1s to 1h")
	}
	return errors.Join(errs...)
}

func (s Settings) apiLimits() api.Limits {
	return api.Limits{
		Body: int(s.APIMaxBody), Header: int(s.APIMaxHeader), Streams: s.APIMaxStreams, Writes: s.APIMaxWrites, Request: s.APIRequestTimeout,
	}
}
