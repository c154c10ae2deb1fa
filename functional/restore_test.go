//go:build functional

package functional

import (
	"os"
	"strings"
	"testing"

	"fleet/cluster"
	"fleet/functional/testbed"
	"fleet/unit"
)

// An operator stops etcd, puts back the files of an older backup, and starts it: no flag, no word to fleet. What runs runs on,
// also what was submitted after the backup was made, and everything can be changed afterwards.
func TestAnEtcdThatIsRestoredByHandStopsNothing(t *testing.T) {
	t.Parallel()
	w := start(t, testbed.Spec{Name: "past", Hosts: 3, ExternalEtcd: true})
	hosts := w.launchAll(map[unit.Name]string{"early1.service": stamped, "early2.service": stamped, "early3.service": stamped})
	down := func() {
		for _, e := range w.Etcds() {
			if err := e.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	up := func() {
		for i := range w.Etcds() {
			w.startEtcd(i + 1)
		}
	}
	down()
	for _, e := range w.Etcds() {
		if err := os.CopyFS(e.DataDir()+".backup", os.DirFS(e.DataDir())); err != nil {
			t.Fatal(err)
		}
	}
	up()
	for name, h := range w.launchAll(map[unit.Name]string{"late1.service": stamped, "late2.service": stamped, "late3.service": stamped}) {
		hosts[name] = h
	}
	before := w.lives(hosts)

	down()
	for _, e := range w.Etcds() {
		if err := os.RemoveAll(e.DataDir()); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(e.DataDir()+".backup", e.DataDir()); err != nil {
			t.Fatal(err)
		}
	}
	up()
	w.awaitMachines(2*soon, w.Hosts()...)
	w.launch("after.service", stamped)
	w.sameLives(before, hosts, "the restore of etcd")

	// What the store does not know is as it was, and in hand again when it is submitted.
	w.put("late1.service", stamped, cluster.Launched)
	w.await(soon, "late1.service", "it runs", runs)
	w.sameLives(before, hosts, "submitting again what was lost")
	w.mustFleetctl("destroy", "late1.service")
	w.mustFleetctl("restart", "early1.service")
	if w.life(hosts["early1.service"], "early1.service") == before["early1.service"] {
		t.Error("it was not restarted")
	}
	for _, h := range w.Hosts() {
		if logs, err := h.Logs(t.Context()); err == nil && strings.Contains(logs, "a new epoch") {
			return
		}
	}
	t.Error("nobody says that a new epoch has begun")
}
