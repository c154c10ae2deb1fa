//go:build functional

package functional

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/functional/testbed"
	"fleet/unit"
)

// Two versions of fleetd are side by side in one cluster, the leader of one and then of the other: $FLEET_PREVIOUS, or that of the commit
// before this one, on two of four hosts. Nothing restarts, units are started, stopped and moved on both, and what must not
// run twice runs only where there is a fence.
func TestTwoVersionsOfFleetdSideBySide(t *testing.T) {
	t.Parallel()
	previous := previousFleetd(t)
	w := start(t, testbed.Spec{Name: "mix", Hosts: 4, TTL: fencedTTL})
	w.mayRunTwice("a unit that is moved is up on the new machine before it stops on the old")
	old, young := []*testbed.Host{w.host(1), w.host(4)}, []*testbed.Host{w.host(2), w.host(3)}
	files := make(map[unit.Name]string)
	for _, h := range w.Hosts() {
		files[unit.Name("stays"+h.Name+".service")] = onlyOn("MachineID=" + h.MachineID)
	}
	hosts := w.launchAll(files)
	w.put(everyUnit, onlyOn("Global=true"), cluster.Launched)
	w.await(soon, everyUnit, "it runs on all", runsOnAll(w.Hosts()...))
	lives := w.lives(hosts)

	// As in an upgrade, but backwards: which is one, too, if it does not work out.
	for _, h := range old {
		if err := h.InstallFleetd(previous); err != nil {
			t.Fatal(err)
		}
		if err := h.RestartFleetd(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.awaitMachines(soon, w.Hosts()...)
	}
	w.sameLives(lives, hosts, "a change of the version on two hosts")

	for _, c := range []struct {
		what string
		lead []*testbed.Host
	}{{"the old one leads", old}, {"the new one leads", young}} {
		t.Run(c.what, func(t *testing.T) {
			w := w.in(t)
			leader := w.haveLead(c.lead)
			t.Logf("%s leads", leader.Name)
			w.sameLives(lives, hosts, "another leader")
			// Submitted, started, stopped, restarted, moved, destroyed; on the old and on the new.
			for _, h := range []*testbed.Host{old[0], young[0]} {
				name := unit.Name("does-" + h.Name + ".service")
				w.launch(name, onlyOn("MachineID="+h.MachineID))
				w.ask(name, cluster.Loaded)
				w.await(soon, name, "it is stopped", func(u api.Unit) bool { return done(u) && live(u)[0].Active == "inactive" })
				w.ask(name, cluster.Launched)
				w.await(soon, name, "it runs again", runs)
				w.destroy(name)
				w.await(soon, name, "it is gone", gone)
			}
			const roams unit.Name = "roams.service"
			from := w.launch(roams, sleeper)
			for _, to := range []*testbed.Host{old[1], young[1]} {
				if from == to {
					continue
				}
				if _, err := w.any().Move(t.Context(), roams, idOf(to), 0); err != nil {
					t.Fatal(err)
				}
				w.await(soon, roams, "it has moved to "+to.Name, runsOn(to))
				from = to
			}
			w.destroy(roams)
			w.await(soon, roams, "it is gone", gone)

			w.put(onceUnit, unending+"[X-Fleet]\nAtMostOnce=yes\n", cluster.Launched)
			fenced := w.fencedHosts()
			if slices.Contains(fenced, leader) {
				u := w.await(2*soon, onceUnit, "it runs", runs)
				if on := w.hostOf(u.MachineID); !slices.Contains(fenced, on) {
					t.Errorf("an AtMostOnce unit runs on %s, which has no fence", on.Name)
				}
			}
			for end := time.Now().Add(3 * time.Second); time.Now().Before(end); pause() {
				for _, h := range w.Hosts() {
					if !slices.Contains(fenced, h) && w.show(h, onceUnit, "ActiveState") == "active" {
						t.Fatalf("an AtMostOnce unit runs on %s, which has no fence", h.Name)
					}
				}
			}
			w.destroy(onceUnit)
			w.await(2*soon, onceUnit, "it is gone", gone)
			w.sameLives(lives, hosts, "work on other units")
		})
	}
	w.unchanged(time.Second, append(slices.Collect(keys(files)), everyUnit)...)
}

// fencedHosts are those whose machines say that they have a fence.
func (w *world) fencedHosts() []*testbed.Host {
	w.t.Helper()
	machines, err := w.any().Machines(w.ctx())
	if err != nil {
		w.t.Fatal(err)
	}
	var fenced []*testbed.Host
	for _, m := range machines {
		if m.Fence != nil {
			fenced = append(fenced, w.hostOf(m.ID))
		}
	}
	return fenced
}

// haveLead has an engine of one of these hosts lead: the others give their turn away.
func (w *world) haveLead(hosts []*testbed.Host) *testbed.Host {
	w.t.Helper()
	for range 2 * len(w.Hosts()) {
		leader := w.engineLeader()
		if slices.Contains(hosts, leader) {
			return leader
		}
		w.exec(leader, "systemctl", "stop", fleetdService, "fleet.socket")
		w.eventually(2*soon, "another engine leads", func() (bool, string) {
			next := w.engineLeader()
			return next != leader, next.Name
		})
		w.exec(leader, "systemctl", "start", "fleet.socket", fleetdService)
		w.awaitMachines(2*soon, w.Hosts()...)
	}
	w.t.Fatal("none of these hosts came to lead")
	return nil
}

// previousFleetd is $FLEET_PREVIOUS, or built from the commit before this one.
func previousFleetd(t *testing.T) string {
	t.Helper()
	if given := os.Getenv("FLEET_PREVIOUS"); given != "" {
		return given
	}
	git := func(args ...string) (string, error) {
		out, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", source, "-c", "safe.directory=*"}, args...)...).CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	commit, err := git("rev-parse", "--verify", "HEAD^")
	if err != nil {
		t.Skipf("there is no commit before this one to build the previous fleetd of, and no $FLEET_PREVIOUS: %s", commit)
	}
	dir := t.TempDir()
	tree, binary := filepath.Join(dir, "tree"), filepath.Join(dir, "fleetd")
	if out, err := git("worktree", "add", "--detach", tree, commit); err != nil {
		t.Fatalf("check %s out: %v\n%s", commit, err, out)
	}
	defer git("worktree", "remove", "--force", tree)
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", binary, "./fleetd")
	build.Dir = tree
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build fleetd of %s: %v\n%s", commit, err, out)
	}
	t.Logf("the previous fleetd is that of %s", commit)
	return binary
}
