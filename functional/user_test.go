//go:build functional

package functional

import (
	"path/filepath"
	"strings"
	"testing"

	"fleet/functional/testbed"
)

// What Debian's dbus-user-session brings, and what a login does, as far as a
// user's systemd needs it.
const userSession = `set -e
cd /usr/lib/systemd/user
mkdir -p sockets.target.wants
printf '[Socket]\nListenStream=%%t/bus\n' >dbus.socket
printf '[Unit]\nRequires=dbus.socket\n[Service]\nType=notify\nExecStart=/usr/bin/dbus-daemon --session --address=systemd: --nofork --nopidfile --systemd-activation\n' >dbus.service
ln -s ../dbus.socket sockets.target.wants/
useradd --create-home --uid 1000 alice
install -d -o alice -g alice -m 700 /run/user/1000
as_alice() {
	unit=$1; shift
	systemd-run --quiet --unit=$unit --property=User=alice --property=Type=notify --property=Delegate=yes --property=KillMode=process \
		--setenv=XDG_RUNTIME_DIR=/run/user/1000 --setenv=HOME=/home/alice "$@"
}
as_alice alice-systemd /lib/systemd/systemd --user
as_alice alice-fleetd /usr/bin/fleetd
`

// A person without root has a cluster of one machine by starting fleetd, without
// any setting.
func TestWithoutRootFleetdDrivesTheUsersOwnSystemd(t *testing.T) {
	t.Parallel()
	w := start(t, testbed.Spec{Name: "user", Hosts: 1, Bare: true})
	h := w.host(1)
	for _, binary := range []string{"fleetd", "fleetctl"} {
		if err := h.CopyFile(filepath.Join(source, "bin", binary), "/usr/bin/"+binary, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w.sh(h, userSession)
	if err := h.WriteFile("/run/hello.service", []byte(sleeper), 0o644); err != nil {
		t.Fatal(err)
	}
	fleetctl := "fleetctl --endpoint unix:///run/user/1000/fleet.sock "
	w.eventually(soon, "fleetd has joined its own cluster", func() (bool, string) {
		out := w.sh(h, fleetctl+"list-machines 2>&1 || true")
		return strings.Contains(out, h.MachineID[:8]), out
	})
	w.sh(h, fleetctl+"start /run/hello.service")
	owner := w.sh(h, `ps -o user= -p "$(pgrep -x sleep)"`)
	if owner != "alice" {
		t.Errorf("the unit runs as %q", owner)
	}
	before := w.sh(h, "pgrep -x sleep")
	w.exec(h, "systemctl", "restart", "alice-fleetd.service")
	w.eventually(soon, "after a restart of fleetd the unit is known", func() (bool, string) {
		out := w.sh(h, fleetctl+"list-units 2>&1 || true")
		return strings.Contains(out, "hello.service") && strings.Contains(out, "running"), out
	})
	if now := w.sh(h, "pgrep -x sleep"); now != before {
		t.Errorf("its process was %s and is %s", before, now)
	}
	if out := w.sh(h, fleetctl+"status hello"); !strings.Contains(out, "Loaded: loaded (/run/user/1000/") {
		t.Errorf("status does not show what the user's systemd says:\n%s", out)
	}
	if out := w.sh(h, fleetctl+"journal -o cat hello"); !strings.Contains(out, "Started hello.service") {
		t.Errorf("the journal of the user's unit:\n%s", out)
	}
	w.sh(h, fleetctl+"destroy hello")
	if out := w.sh(h, "pgrep -x sleep || echo none"); out != "none" {
		t.Errorf("destroyed, process %s still runs", out)
	}
}
