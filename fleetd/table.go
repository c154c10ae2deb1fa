package main

import (
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"time"

	"fleet/fleetd/capacity"
	"fleet/unit"
)

// setting is one row of the table: how its text becomes a value.
type setting struct {
	key  string
	word string // what stands for a value in help; empty for what is either true or false
	help string
	set  func(*Settings, string) error
}

// table lists every setting, in the order in which help shows them.
func table() []setting {
	return []setting{
		{"log_level", "LEVEL", "debug, info, warn or error", func(s *Settings, v string) error { return s.LogLevel.UnmarshalText([]byte(v)) }},
		{"log_format", "FORMAT", "auto, journal, text or json", text(func(s *Settings) *string { return &s.LogFormat })},
		{"verbosity", "N", "as in fleet 1.0: 1 or more means log_level debug", setVerbosity},

		{"etcd_servers", "URL,…", "URLs of an external etcd, separated by commas; without them an etcd member is embedded", list(func(s *Settings) *[]string { return &s.EtcdServers })},
		{"etcd_username", "WORD", "user at the external etcd", text(func(s *Settings) *string { return &s.EtcdUsername })},
		{"etcd_password", "WORD", "password at the external etcd", text(func(s *Settings) *string { return &s.EtcdPassword })},
		{"etcd_certfile", "FILE", "client certificate for etcd", text(func(s *Settings) *string { return &s.EtcdCertFile })},
		{"etcd_keyfile", "FILE", "key of etcd_certfile", text(func(s *Settings) *string { return &s.EtcdKeyFile })},
		{"etcd_cafile", "FILE", "authority that signed etcd's certificates", text(func(s *Settings) *string { return &s.EtcdCAFile })},
		{"etcd_key_prefix", "PATH", "prefix of all of fleet's keys in etcd", text(func(s *Settings) *string { return &s.EtcdKeyPrefix })},
		{"etcd_request_timeout", "DURATION", "how long one request to etcd may take", duration(func(s *Settings) *time.Duration { return &s.EtcdRequestTimeout })},

		{"etcd_name", "WORD", "embedded member: its name in etcd_initial_cluster", text(func(s *Settings) *string { return &s.EtcdName })},
		{"etcd_data_dir", "DIR", "embedded member: where it keeps its data", text(func(s *Settings) *string { return &s.EtcdDataDir })},
		{"etcd_listen_peer_urls", "URL,…", "embedded member: URLs for other members", list(func(s *Settings) *[]string { return &s.EtcdListenPeerURLs })},
		{"etcd_listen_client_urls", "URL,…", "embedded member: URLs for clients", list(func(s *Settings) *[]string { return &s.EtcdListenClientURLs })},
		{"etcd_initial_cluster", "NAME=URL,…", "embedded member: NAME=PEER-URL of every member, separated by commas", text(func(s *Settings) *string { return &s.EtcdInitialCluster })},
		{"etcd_initial_cluster_token", "WORD", "embedded member: a word that keeps clusters apart", text(func(s *Settings) *string { return &s.EtcdInitialClusterToken })},
		{"etcd_quota", "SIZE", "embedded member: how large its database may become before it refuses to grow; the same for all members", byteSize(func(s *Settings) *int64 { return &s.EtcdQuota })},

		{"machine_id_file", "FILE", "file with this machine's id", text(func(s *Settings) *string { return &s.MachineIDFile })},
		{"public_ip", "ADDRESS", "address that this machine announces; by default that of the interface with the default route", text(func(s *Settings) *string { return &s.PublicIP })},
		{"metadata", "KEY=VALUE,…", "metadata of this machine: KEY=VALUE, separated by commas", setMetadata},
		{"agent_ttl", "DURATION", "a machine whose lease nothing has renewed for this long is lost; whole seconds, at least 4", duration(func(s *Settings) *time.Duration { return &s.AgentTTL })},
		{"disable_engine", "", "never become the engine", boolean(func(s *Settings) *bool { return &s.DisableEngine })},
		{"placement_strategy", "WORD", "how the engine chooses among machines that fit: pack or spread", setStrategy},
		{"on_lost", "WORD", "what becomes of units without OnLost= when their machine is lost: replace or wait", setOnLost},
		{"replace_after", "DURATION", "how long a machine has to be lost before units without ReplaceAfter= are started elsewhere; 0: at once", setReplaceAfter},
		{"loss_limit", "PERCENT", "when more of the machines than that are lost within loss_window, their units wait for them; 100%: never", setLossLimit},
		{"loss_window", "DURATION", "see loss_limit; at least agent_ttl", duration(func(s *Settings) *time.Duration { return &s.LossWindow })},

		{"max_units", "N", "the most units that this machine accepts", number(func(s *Settings) *int { return &s.MaxUnits })},
		{"capacity_memory", "SIZE", "memory that this machine offers, in place of what is detected", amount(unit.Memory, func(s *Settings) **capacity.Amount { return &s.CapacityMemory })},
		{"capacity_cpu", "CPUS", "CPUs that this machine offers, in place of what is detected", amount(unit.CPU, func(s *Settings) **capacity.Amount { return &s.CapacityCPU })},
		{"capacity_disk", "SIZE", "disk space that this machine offers, in place of what is detected", amount(unit.Disk, func(s *Settings) **capacity.Amount { return &s.CapacityDisk })},
		{"reserve_memory", "SIZE", "how much of the memory is kept for the host", amount(unit.Memory, func(s *Settings) **capacity.Amount { return &s.ReserveMemory })},
		{"reserve_cpu", "CPUS", "how many CPUs are kept for the host", amount(unit.CPU, func(s *Settings) **capacity.Amount { return &s.ReserveCPU })},
		{"reserve_disk", "SIZE", "how much of the disk space is kept for the host", amount(unit.Disk, func(s *Settings) **capacity.Amount { return &s.ReserveDisk })},
		{"disk_directory", "DIR", "disk space is that of the file system of this directory", text(func(s *Settings) *string { return &s.DiskDirectory })},
		{"resources", "NAME=N,…", "what else this machine has and units reserve, by number: gpu=2,license=1", setResources},

		{"state_dir", "DIR", "directory for what fleetd remembers until the next boot", text(func(s *Settings) *string { return &s.StateDir })},
		{"units_directory", "DIR", "directory for unit files; by default units in state_dir", text(func(s *Settings) *string { return &s.UnitsDirectory })},
		{"systemd_user", "", "drive the user's systemd instead of the system's", boolean(func(s *Settings) *bool { return &s.SystemdUser })},

		{"api_socket", "PATH", "unix socket of the API, unless systemd passes sockets", text(func(s *Settings) *string { return &s.APISocket })},
		{"api_listen", "URL", "URL at which the API is served on TCP: https://ADDRESS:PORT", text(func(s *Settings) *string { return &s.APIListen })},
		{"api_advertise", "URL", "URL at which the other fleetds reach this one; by default that of api_listen, with public_ip if it listens on all addresses", text(func(s *Settings) *string { return &s.APIAdvertise })},
		{"api_insecure", "", "permit http:// in api_listen: no encryption, no authentication", boolean(func(s *Settings) *bool { return &s.APIInsecure })},
		{"api_certfile", "FILE", "certificate of this fleetd: as a server of the API, and as a client of other fleetds", text(func(s *Settings) *string { return &s.APICertFile })},
		{"api_keyfile", "FILE", "key of api_certfile", text(func(s *Settings) *string { return &s.APIKeyFile })},
		{"api_cafile", "FILE", "authority that signs the certificates of clients and of all fleetds", text(func(s *Settings) *string { return &s.APICAFile })},
		{"api_max_body", "SIZE", "the largest body of a request to the API; of requests about many units 8 times as much", byteSize(func(s *Settings) *int64 { return &s.APIMaxBody })},
		{"api_max_header", "SIZE", "the largest request line and header of a request to the API", byteSize(func(s *Settings) *int64 { return &s.APIMaxHeader })},
		{"api_max_streams", "N", "the most event streams, histories and journals that one client of the API follows at a time", number(func(s *Settings) *int { return &s.APIMaxStreams })},
		{"api_max_writes", "N", "the most requests to the API that change something, of all clients, that are under way at a time", number(func(s *Settings) *int { return &s.APIMaxWrites })},
		{"api_request_timeout", "DURATION", "how long a request to the API may take that is no stream", duration(func(s *Settings) *time.Duration { return &s.APIRequestTimeout })},
		{"api_follow_machines", "N", "in a cluster of more machines the API follows the cluster only while somebody needs that; 0: in every cluster", number(func(s *Settings) *int { return &s.APIFollowMachines })},
		{"token_limit", "N", "the most entities on one page of an API list", number(func(s *Settings) *int { return &s.TokenLimit })},
	}
}

// atRunTime are the settings that take effect when they are read again. The others but atBoot do when fleetd is restarted.
var atRunTime = []string{
	"log_level", "verbosity", "metadata", "max_units", "resources", "disk_directory",
	"capacity_memory", "capacity_cpu", "capacity_disk", "reserve_memory", "reserve_cpu", "reserve_disk",
}

// atBoot are the settings that take effect when the host is booted again: see directories.
var atBoot = []string{"state_dir", "units_directory"}

// obsolete are the settings of fleet 1.0 that mean nothing any more, with the
// reason. A file that has them still works.
var obsolete = map[string]string{
	"engine_reconcile_interval": "the engine acts on changes, not on a timer",
	"disable_watches":           "the engine acts on changes, not on a timer",
	"enable_grpc":               "there is one registry",
	"verify_units":              "signed units were given up in fleet 0.9",
	"authorized_keys_file":      "signed units were given up in fleet 0.9",
}

func text(field func(*Settings) *string) func(*Settings, string) error {
	return func(s *Settings, v string) error { *field(s) = v; return nil }
}

func list(field func(*Settings) *[]string) func(*Settings, string) error {
	return func(s *Settings, v string) error {
		var items []string
		for item := range strings.SplitSeq(v, ",") {
			// fleet 1.0 accepted lists in the form of JSON.
			if item = strings.Trim(item, " \t[]\"'"); item == "" {
				continue
			}
			u, err := url.Parse(item)
			if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
				return fmt.Errorf("expect URLs such as http://127.0.0.1:2379, separated by commas, got %q", item)
			}
			items = append(items, item)
		}
		*field(s) = items
		return nil
	}
}

// duration reads Go's form (10s) and, as fleet 1.0 did, bare seconds (1.5).
func duration(field func(*Settings) *time.Duration) func(*Settings, string) error {
	return func(s *Settings, v string) error {
		if seconds, err := strconv.ParseFloat(v, 64); err == nil && seconds > 0 && seconds < 1e9 {
			*field(s) = time.Duration(seconds * float64(time.Second))
			return nil
		}
		d, err := time.ParseDuration(v)
		if err != nil || d <= 0 {
			return fmt.Errorf("expect a duration such as 10s or 500ms, got %q", v)
		}
		*field(s) = d
		return nil
	}
}

func byteSize(field func(*Settings) *int64) func(*Settings, string) error {
	return func(s *Settings, v string) error {
		n, err := unit.ParseAmount(unit.Memory, v)
		if err != nil {
			return fmt.Errorf("expect a size: %w", err)
		}
		*field(s) = n
		return nil
	}
}

func number(field func(*Settings) *int) func(*Settings, string) error {
	return func(s *Settings, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil {
			return fmt.Errorf("expect a whole number, got %q", v)
		}
		*field(s) = n
		return nil
	}
}

func boolean(field func(*Settings) *bool) func(*Settings, string) error {
	return func(s *Settings, v string) error {
		switch strings.ToLower(v) {
		case "true", "yes", "on", "1":
			*field(s) = true
		case "false", "no", "off", "0":
			*field(s) = false
		default:
			return fmt.Errorf("expect true or false, got %q", v)
		}
		return nil
	}
}

func setVerbosity(s *Settings, v string) error {
	n, err := strconv.Atoi(v)
	if err != nil {
		return fmt.Errorf("expect a whole number, got %q", v)
	}
	if n > 0 {
		s.LogLevel = slog.LevelDebug
	}
	return nil
}

func setMetadata(s *Settings, v string) error {
	metadata := make(map[string]string)
	for pair := range strings.SplitSeq(v, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		key, value, ok := strings.Cut(pair, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !ok || key == "" || value == "" {
			return fmt.Errorf("expect KEY=VALUE separated by commas, got %q", strings.TrimSpace(pair))
		}
		metadata[key] = value
	}
	s.Metadata = metadata
	return nil
}
