package simulation

import (
	"fmt"
	"testing"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// The store is restored from a backup while everything runs. What the backup says of is there, what came after it is unknown
// to the store: none of it stops, wherever it was placed meanwhile.
func TestUnitsSurviveARestoredStore(t *testing.T) {
	for name, how := range map[string]func(w *world, restore func()){
		"while it serves": func(_ *world, restore func()) { restore() },
		"after an outage": func(w *world, restore func()) {
			w.store.Halt()
			time.Sleep(ttl / 2)
			restore()
			w.store.Resume()
		},
		"after a long outage": func(w *world, restore func()) {
			w.store.Halt()
			time.Sleep(10 * ttl)
			restore()
			w.store.Resume()
		},
		"and fleetd is started again": func(w *world, restore func()) {
			for _, m := range w.machines {
				m.kill()
			}
			restore()
			for _, m := range w.machines {
				m.start()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, 3, func(t *testing.T, w *world) {
				var names []unit.Name
				for i := range 4 {
					names = append(names, unit.Name(fmt.Sprintf("early%d.service", i)))
					w.put(names[i], service, cluster.Launched)
				}
				w.settle()
				backup := w.store.Backup()
				for i := range 4 {
					names = append(names, unit.Name(fmt.Sprintf("late%d.service", i)))
					w.put(names[4+i], service, cluster.Launched)
				}
				w.restart(names[0])
				w.settle()
				before := make(map[unit.Name]int)
				for _, n := range names {
					runsOnce(t, w, n)
					before[n] = w.lives(n)
				}
				how(w, func() { w.store.Restore(backup) })
				w.settle()
				for _, n := range names {
					runsOnce(t, w, n)
					if after := w.lives(n); after != before[n] {
						t.Errorf("%s has lived %d times, before that %d times", n, after, before[n])
					}
				}
				first := w.leader()
				first.stop()
				time.Sleep(time.Second)
				first.start()
				w.settle() // the next one knows as much
				for _, n := range names {
					if after := w.lives(n); after != before[n] {
						t.Errorf("with the next leader %s has lived %d times, before that %d times", n, after, before[n])
					}
				}

				// What was unknown is in hand again as soon as somebody submits it.
				w.put("late0.service", service, cluster.Launched)
				w.settle()
				runsOnce(t, w, "late0.service")
				if after := w.lives("late0.service"); after != before["late0.service"] {
					t.Errorf("submitted again as it was, it has lived %d times, before that %d times", after, before["late0.service"])
				}
				w.destroy("late0.service")
				w.restart("early0.service")
				w.settle()
				if on := w.where("late0.service"); len(on) > 0 {
					t.Errorf("destroyed, it runs on %d machines", len(on))
				}
				if after := w.lives("early0.service"); after != before["early0.service"]+1 {
					t.Errorf("restarted, it has lived %d times, before that %d times", after, before["early0.service"])
				}
			})
		})
	}
}
