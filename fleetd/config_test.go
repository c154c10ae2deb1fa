package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func writeConfig(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fleet.conf")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLaterSourcesWin(t *testing.T) {
	path := writeConfig(t, "public_ip=10.0.0.1\nmetadata=\"disk=ssd,zone=a\"\nagent_ttl=20s\n")
	inv, err := parse(
		[]string{"--config", path, "--public-ip=10.0.0.3"},
		[]string{"FLEET_PUBLIC_IP=10.0.0.2", "FLEET_AGENT_TTL=30s", "HOME=/root"}, true)
	if err != nil {
		t.Fatal(err)
	}
	got := inv.settings
	if got.PublicIP != "10.0.0.3" || got.AgentTTL != 30*time.Second {
		t.Errorf("public_ip %s, agent_ttl %s: expect the flag's and the environment's", got.PublicIP, got.AgentTTL)
	}
	if c := storeConfig(got); c.TTL != 30*time.Second {
		t.Errorf("the store's client is told of a TTL of %s", c.TTL)
	}
	if diff := cmp.Diff(map[string]string{"disk": "ssd", "zone": "a"}, got.Metadata); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
}

func TestAFileOfFleet1StillWorks(t *testing.T) {
	path := writeConfig(t, `# fleet 1.0
verbosity=1
etcd_servers=["http://10.0.0.1:2379","http://10.0.0.2:2379"]
etcd_request_timeout=1.5
engine_reconcile_interval=2
PUBLIC_IP='10.0.0.9'
`)
	inv, err := parse([]string{"--config", path}, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	s := inv.settings
	if s.LogLevel != slog.LevelDebug || len(s.EtcdServers) != 2 || s.EtcdRequestTimeout != 1500*time.Millisecond || s.PublicIP != "10.0.0.9" {
		t.Errorf("settings were read as %+v", s)
	}
	if len(inv.warnings) != 1 || !strings.Contains(inv.warnings[0], "engine_reconcile_interval") {
		t.Errorf("warnings %q: expect one about engine_reconcile_interval", inv.warnings)
	}
}

func TestWhatCannotBeReadIsAnErrorThatNamesTheWayOut(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		args []string
		env  []string
		want string
	}{
		"unknown key":        {file: "\nmetdata=a=b\n", want: `:2: unknown setting "metdata"; did you mean "metadata"?`},
		"section":            {file: "[fleet]\npublic_ip=10.0.0.1\n", want: "section [fleet]"},
		"bad duration":       {file: "agent_ttl=soon\n", want: `:1: agent_ttl: expect a duration such as 10s`},
		"bad environment":    {env: []string{"FLEET_MAX_UNITS=many"}, want: `environment FLEET_MAX_UNITS: max_units: expect a whole number`},
		"unknown variable":   {env: []string{"FLEET_METADATE=x"}, want: `did you mean "metadata"`},
		"unknown flag":       {args: []string{"--nonsense"}, want: "unknown flag: --nonsense"},
		"argument":           {args: []string{"list-units"}, want: "fleetctl is the command"},
		"bad metadata":       {args: []string{"--metadata", "disk"}, want: "expect KEY=VALUE"},
		"ttl too short":      {args: []string{"--agent-ttl", "1s"}, want: "at least 4s"},
		"plain http":         {args: []string{"--api-listen", "http://0.0.0.0:1"}, want: "api_insecure = true"},
		"https without keys": {args: []string{"--api-listen", "https://0.0.0.0:1"}, want: "api_cafile"},
		"half a certificate": {args: []string{"--etcd-certfile", "x"}, want: "etcd_keyfile"},
		"no such file":       {args: []string{"--config", "/nonexistent"}, want: "/nonexistent"},
		"bad size":           {file: "\ncapacity_memory = much\n", want: `:2: capacity_memory: expect a size, or a share such as 25%: "much" is not a size such as 512M or 1.5G`},
		"negative size":      {args: []string{"--reserve-disk=-1G"}, want: `--reserve-disk: expect a size, or a share such as 25%: "-1G" is negative`},
		"bad share":          {env: []string{"FLEET_RESERVE_MEMORY=101%"}, want: `environment FLEET_RESERVE_MEMORY: reserve_memory: expect a size, or a share such as 25%: "101%" is no share from 0% to 100%`},
		"strange share":      {args: []string{"--reserve-memory=NaN%"}, want: `from 0% to 100%`},
		"bad CPUs":           {args: []string{"--capacity-cpu=two"}, want: `--capacity-cpu: "two" is not a number of CPUs such as`},
		"uncountable":        {args: []string{"--resources=gpu"}, want: `expect NAME=NUMBER separated by commas, such as gpu=2,license=1, got "gpu"`},
		"not a number":       {args: []string{"--resources=gpu=all"}, want: `gpu: `},
		"counted twice":      {args: []string{"--resources=gpu=1,gpu=2"}, want: `gpu is given twice`},
		"one of fleet's own": {args: []string{"--resources=memory=1"}, want: `memory`},
		"bad strategy":       {args: []string{"--placement-strategy=heap"}, want: `expect pack or spread, got "heap"`},
		"bad loss":           {args: []string{"--on-lost=stop"}, want: `--on-lost: "stop" is neither replace nor wait`},
		"bad span":           {args: []string{"--replace-after=soon"}, want: `--replace-after: "soon" is no time span such as 30s or 5min`},
		"bad limit":          {args: []string{"--loss-limit=0%"}, want: `--loss-limit: expect a percentage from 1% to 100%, got "0%"`},
		"window too short":   {args: []string{"--loss-window=5s"}, want: `loss_window = 5s: expect at least agent_ttl, which is 10s`},
		"bad endpoint":       {args: []string{"--etcd-servers", "10.0.0.1:2379"}, want: "expect URLs such as"},
	} {
		t.Run(name, func(t *testing.T) {
			args := c.args
			if c.file != "" {
				args = append(args, "--config", writeConfig(t, c.file))
			}
			_, err := parse(args, c.env, true)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v: expect it to say %q", err, c.want)
			}
		})
	}
}

func TestEverySettingIsInTheHandbook(t *testing.T) {
	raw, err := os.ReadFile("../docs/fleetd.md")
	if err != nil {
		t.Fatal(err)
	}
	settings, _, _ := strings.Cut(string(raw), "\n## Capacity\n")
	for _, row := range table() {
		if !strings.Contains(settings, "`"+row.key+"`") {
			t.Errorf("docs/fleetd.md does not mention %s", row.key)
		}
	}
	for _, key := range atRunTime {
		if !slices.ContainsFunc(table(), func(row setting) bool { return row.key == key }) {
			t.Errorf("there is no setting %s that could change at run time", key)
		}
	}
}

func TestAUserDrivesTheUsersSystemd(t *testing.T) {
	inv, err := parse([]string{"--config", writeConfig(t, "")}, []string{"XDG_RUNTIME_DIR=/run/user/1000", "HOME=/home/ann"}, false)
	if err != nil {
		t.Fatal(err)
	}
	s := inv.settings
	if !s.SystemdUser || s.APISocket != "/run/user/1000/fleet.sock" || s.EtcdDataDir != "/home/ann/.local/state/fleet/etcd" {
		t.Errorf("settings of a user: %+v", s)
	}
}

func FuzzConfigurationFile(f *testing.F) {
	f.Add("public_ip=10.0.0.1\nmetadata=\"a=b\"\n")
	f.Add("capacity_memory=1.5G\nreserve_memory=10%\nreserve_cpu=50%\nresources=gpu=2\n")
	f.Add("[x]\n=\n\\\n\"\"\"")
	f.Fuzz(func(t *testing.T, content string) {
		path := filepath.Join(t.TempDir(), "fleet.conf")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		inv, err := parse([]string{"--config", path}, nil, true)
		if err != nil {
			return
		}
		if inv.settings.Validate() != nil {
			t.Errorf("accepted settings that do not validate: %+v", inv.settings)
		}
		if c, err := inv.settings.offerOf(testHost); err == nil && min(c.MaxUnits, int(c.Memory), int(c.CPU), int(c.Disk)) < 0 {
			t.Errorf("offers less than nothing: %+v", c)
		}
	})
}
