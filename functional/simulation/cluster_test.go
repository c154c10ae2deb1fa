package simulation

import (
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"fleet/cluster"
	"fleet/registry/memory"
	"fleet/systemd/systemdtest"
	"fleet/unit"
)

const service = "[Service]\nExecStart=/usr/bin/server\n"

// in runs a test in a bubble with a cluster of so many machines.
func in(t *testing.T, machines int, test func(t *testing.T, w *world)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, slog.New(slog.DiscardHandler), dir, machines)
		defer w.close()
		w.settle()
		test(t, w)
	})
}

// runsOnce returns the only machine that runs the unit.
func runsOnce(t *testing.T, w *world, name unit.Name) *machine {
	t.Helper()
	on := w.where(name)
	if len(on) != 1 {
		phase, message := w.snapshot().Status(name).Outcome()
		t.Fatalf("%s runs on %d machines, expected one; %s %s", name, len(on), phase, message)
	}
	return on[0]
}

// lives counts the lives of a unit on all machines.
func (w *world) lives(name unit.Name) int {
	n := 0
	for _, m := range w.machines {
		n += len(lives(m, name))
	}
	return n
}

func lives(m *machine, name unit.Name) []systemdtest.Run {
	var runs []systemdtest.Run
	for _, r := range m.host.Runs() {
		if r.Unit == name {
			runs = append(runs, r)
		}
	}
	return runs
}

// launch starts so many plain services, and waits until all is quiet.
func (w *world) launch(n int) (names []unit.Name) {
	for i := range n {
		names = append(names, unit.Name(fmt.Sprintf("u%d.service", i)))
		w.put(names[i], service, cluster.Launched)
	}
	w.settle()
	return names
}

// undisturbed fails the test unless each of these units runs once, and has never been stopped.
func undisturbed(t *testing.T, w *world, names []unit.Name) {
	t.Helper()
	for _, name := range names {
		runsOnce(t, w, name)
		if n := w.lives(name); n != 1 {
			t.Errorf("%s has lived %d times", name, n)
		}
	}
}

func TestAStartedUnitRunsAndADestroyedOneDoesNot(t *testing.T) {
	in(t, 3, func(t *testing.T, w *world) {
		for range 10 {
			w.put("a.service", service, cluster.Launched)
			w.settle()
			runsOnce(t, w, "a.service")
			w.destroy("a.service")
			w.settle()
			if on := w.where("a.service"); len(on) != 0 {
				t.Fatalf("destroyed, it runs on %d machines", len(on))
			}
		}
	})
}

func TestALostMachinesUnitsRunElsewhereWithinTheTTLAndASecond(t *testing.T) {
	in(t, 3, func(t *testing.T, w *world) {
		w.launch(9)
		lost := w.leader() // the hardest case: the engine is lost with it
		moved := lost.host.Running()
		if len(moved) != 3 {
			t.Fatalf("the machine has %d of 9 units, expected 3", len(moved))
		}
		at := time.Now()
		lost.crash()
		w.settle()
		for _, name := range moved {
			runs := lives(runsOnce(t, w, name), name)
			if took := runs[len(runs)-1].Start.Sub(at); took > ttl+time.Second {
				t.Errorf("%s ran elsewhere after %s", name, took)
			}
		}
	})
}

// Nothing that happens to daemons and store touches a unit, if it is over before a session has ended.
func TestUnitsKeepTheirProcessesThrough(t *testing.T) {
	for name, fault := range map[string]func(w *world){
		"a stop and start of every fleetd": func(w *world) {
			for _, m := range w.machines {
				m.stop()
				m.start()
			}
		},
		"a kill and start of every fleetd": func(w *world) {
			for _, m := range w.machines {
				m.kill()
				time.Sleep(time.Second)
				m.start()
			}
		},
		"a change of the leader": func(w *world) {
			m := w.leader()
			m.stop()
			time.Sleep(3 * time.Second)
			m.start()
		},
		"a cut shorter than the lease": func(w *world) {
			for _, m := range w.machines {
				m.client.Cut()
				time.Sleep(5 * time.Second)
				m.client.Heal()
			}
		},
		"a cut of the bus": func(w *world) {
			for _, m := range w.machines {
				m.host.CutBus()
				time.Sleep(20 * time.Second)
				m.host.HealBus()
			}
		},
		"a compaction of the store": func(w *world) {
			for _, m := range w.machines {
				m.client.Cut()
			}
			for i := range 20 {
				w.put("other.service", fmt.Sprintf("%s# %d\n", service, i), cluster.Inactive)
			}
			if err := w.store.Compact(w.store.Revision()); err != nil {
				w.t.Fatal(err)
			}
			for _, m := range w.machines {
				m.client.Heal()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, 3, func(t *testing.T, w *world) {
				var names []unit.Name
				for i := range 6 {
					names = append(names, unit.Name(fmt.Sprintf("u%d.service", i)))
					w.put(names[i], service, cluster.Launched)
				}
				w.settle()
				w.restart(names[0])
				w.settle()
				before := make(map[unit.Name]int)
				for _, n := range names {
					runsOnce(t, w, n)
					before[n] = w.lives(n)
				}
				fault(w)
				w.settle()
				for _, n := range names {
					runsOnce(t, w, n)
					if after := w.lives(n); after != before[n] {
						t.Errorf("%s has lived %d times, before the fault %d times", n, after, before[n])
					}
				}
			})
		})
	}
}

// All machines are cut off from the store for long: every session ends, and
// yet no unit is stopped or moved when the store is back.
func TestUnitsSurviveALongAbsenceOfTheStore(t *testing.T) {
	in(t, 3, func(t *testing.T, w *world) {
		names := w.launch(6)
		for _, m := range w.machines {
			m.client.Cut()
		}
		time.Sleep(10 * time.Minute)
		for _, m := range w.machines {
			m.client.Heal()
		}
		w.settle()
		undisturbed(t, w, names)
	})
}

// The machines do not come back at the same instant, and none of the first ones takes what the others run.
func TestUnitsStayWhenMachinesComeBackOneByOne(t *testing.T) {
	in(t, 3, func(t *testing.T, w *world) {
		names := w.launch(6)
		for _, m := range w.machines {
			m.client.Cut()
		}
		time.Sleep(10 * time.Minute)
		for _, m := range w.machines {
			m.client.Heal()
			time.Sleep(3 * time.Second)
		}
		w.settle()
		undisturbed(t, w, names)
	})
}

// They were started anew while the store was away, and have waited for it: that makes none of them one that
// has been there all the time.
func TestUnitsStayWhenMachinesThatHaveWaitedForTheStoreComeBackOneByOne(t *testing.T) {
	in(t, 2, func(t *testing.T, w *world) {
		names := w.launch(6)
		for _, m := range w.machines {
			m.kill()
		}
		time.Sleep(time.Minute) // their sessions have ended
		for _, m := range w.machines {
			m.line.fail((*memory.Client).Cut)
			m.start()
		}
		time.Sleep(10 * time.Minute)
		for _, m := range w.machines {
			m.line.mend()
			time.Sleep(3 * time.Second)
		}
		w.settle()
		undisturbed(t, w, names)
	})
}

// One of the machines never comes back: its units are not waited for for ever.
func TestAfterAnOutageTheUnitsOfAMachineThatStaysAwayMove(t *testing.T) {
	in(t, 3, func(t *testing.T, w *world) {
		names := w.launch(6)
		for _, m := range w.machines {
			m.client.Cut()
		}
		time.Sleep(time.Minute)
		w.machines[0].crash()
		w.machines[1].client.Heal()
		w.machines[2].client.Heal()
		w.settle()
		for _, name := range names {
			runsOnce(t, w, name)
		}
	})
}

// A machine that comes back keeps what has no replacement that is up.
func TestTheOriginalStaysIfItsReplacementIsNotUp(t *testing.T) {
	in(t, 2, func(t *testing.T, w *world) {
		w.put("slow.service", service+"Type=oneshot\nRemainAfterExit=yes\n[X-Test]\nStartSec=60s\n", cluster.Launched)
		w.settle()
		original := runsOnce(t, w, "slow.service")
		original.client.Cut()
		time.Sleep(ttl + 5*time.Second)
		original.client.Heal() // the replacement is being started
		w.settle()
		if on := runsOnce(t, w, "slow.service"); on != original || len(lives(original, "slow.service")) != 1 {
			t.Errorf("it runs on %s, expected it to have stayed on %s", on.id, original.id)
		}
	})
}

func TestAReplacementThatIsUpStays(t *testing.T) {
	in(t, 2, func(t *testing.T, w *world) {
		w.put("a.service", service, cluster.Launched)
		w.settle()
		original := runsOnce(t, w, "a.service")
		original.client.Cut()
		time.Sleep(time.Minute)
		if len(w.where("a.service")) != 2 {
			t.Fatal("cut off, the original must run on while the replacement runs")
		}
		original.client.Heal()
		w.settle()
		if on := runsOnce(t, w, "a.service"); on == original {
			t.Error("the original stayed although its replacement was up")
		}
	})
}

func TestAnIdleClusterWritesNothing(t *testing.T) {
	in(t, 3, func(t *testing.T, w *world) {
		for i := range 30 {
			w.put(unit.Name(fmt.Sprintf("u%d.service", i)), service, cluster.Launched)
		}
		w.put("pending.service", service+"[X-Fleet]\nMachineMetadata=disk=ssd\n", cluster.Launched)
		w.settle()
		before := w.store.Revision()
		time.Sleep(time.Hour)
		if after := w.store.Revision(); after != before {
			t.Errorf("an idle hour wrote %d times", after-before)
		}
	})
}

func TestAUnitDestroyedWhileStoppingComesBackWhole(t *testing.T) {
	in(t, 3, func(t *testing.T, w *world) {
		w.put("a.service", service+"[X-Test]\nStopSec=20s\n", cluster.Launched)
		w.settle()
		w.destroy("a.service")
		time.Sleep(time.Second)
		w.put("a.service", service+"# another\n", cluster.Launched)
		w.settle()
		runsOnce(t, w, "a.service")
		var first, second systemdtest.Run
		for _, m := range w.machines {
			for _, r := range lives(m, "a.service") {
				if r.End.IsZero() {
					second = r
				} else {
					first = r
				}
			}
		}
		if first.End.IsZero() || second.Start.Before(first.End) {
			t.Errorf("the new one started at %s, the old one ended at %s", second.Start, first.End)
		}
	})
}

// Nobody asked anything of the unit meanwhile: its generation is the one that was carried out before.
func TestAUnitThatIsOrderedBackWhileItStopsRunsAgain(t *testing.T) {
	in(t, 1, func(t *testing.T, w *world) {
		w.set(w.machines[0].id, "disk", "ssd")
		w.put("a.service", service+"[X-Test]\nStopSec=20s\n[X-Fleet]\nMachineMetadata=disk=ssd\n", cluster.Launched)
		w.settle()
		runsOnce(t, w, "a.service")
		w.set(w.machines[0].id, "disk", "hdd")
		time.Sleep(time.Second)
		w.set(w.machines[0].id, "disk", "ssd")
		w.settle()
		runsOnce(t, w, "a.service")
	})
}
