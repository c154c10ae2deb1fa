package schedule

import (
	"fmt"
	"testing"

	"fleet/cluster"
	"fleet/unit"
)

// TestTakesBackMoreThanOneTransactionHolds: a machine comes back and still runs
// what was placed on more other machines than one transaction can write.
func TestTakesBackMoreThanOneTransactionHolds(t *testing.T) {
	const n = cluster.MaxDecision + 50
	s := newSim(t)
	s.join("home", nil, 0)
	s.write(s.hosts["home"])
	for i := range n {
		if err := s.submit(unit.Name(fmt.Sprintf("u%03d.service", i)), cluster.Launched, "[Service]\nExecStart=/bin/true\n"); err != nil {
			t.Fatal(err)
		}
	}
	s.decide()
	s.obey(s.hosts["home"], nil)
	for i := range n {
		id := cluster.MachineID(fmt.Sprintf("other%03d", i))
		s.join(id, nil, 0)
		s.write(s.hosts[id])
	}
	s.lose("home")
	s.decide()
	s.join("home", nil, 0)
	s.write(s.hosts["home"])

	for i, step := range s.decide() { // which holds each against MaxDecision
		if _, ok := step.Orders["home"]; ok != (i == 0) {
			t.Errorf("step %d of the return has %d orders; with those of the machine that is back: %v", i, len(step.Orders), ok)
		}
	}
	if got := len(s.live(s.hosts["home"])); got != n {
		t.Errorf("%d of %d units went back", got, n)
	}
	for _, h := range s.present() {
		if h.id != "home" && len(s.live(h)) > 0 {
			t.Errorf("%s still has %v", h.id, s.live(h))
		}
	}
	if again := s.decide(); len(again) > 0 {
		t.Errorf("decides anew:\n%s", trace(again))
	}
}

// TestTransactionsStaySmall: not only the number of records is bounded, but also what is in them.
func TestTransactionsStaySmall(t *testing.T) {
	s := newSim(t)
	for i := range 10 {
		id := cluster.MachineID(fmt.Sprintf("m%d", i))
		s.join(id, nil, 0)
		s.write(s.hosts[id])
	}
	for i := range 5000 {
		if err := s.submit(unit.Name(fmt.Sprintf("u%d.service", i)), cluster.Launched, "[Service]\nExecStart=/bin/true\n"); err != nil {
			t.Fatal(err)
		}
	}
	steps := s.decide()
	for _, step := range steps {
		orders := 0
		for _, o := range step.Orders {
			orders += len(o.Units)
		}
		if orders > maxOrders {
			t.Errorf("a transaction of %d orders", orders)
		}
	}
	if len(steps) != 3 {
		t.Errorf("%d transactions", len(steps))
	}
}
