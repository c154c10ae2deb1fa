package hollow

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"fleet/cluster"
)

// ofLosses is what an engine warns of when machines are lost.
var ofLosses = []string{"machines have not renewed their leases while others were lost", "alarm"}

// Trouble counts what all the fleetds log as a warning or worse. Nothing of that sort is expected of a machine that is
// well, except about machines that were lost.
type Trouble struct {
	mu struct {
		sync.Mutex
		lost     map[cluster.MachineID]bool
		count    int
		messages map[string]int
		example  map[string]string
	}
}

// expectLoss has nothing counted any more of what a machine says.
func (t *Trouble) expectLoss(id cluster.MachineID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.lost == nil {
		t.mu.lost = make(map[cluster.MachineID]bool)
	}
	t.mu.lost[id] = true
}

// Count is how many there were.
func (t *Trouble) Count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.count
}

// Lines tells what they were: each sort once, with an example.
func (t *Trouble) Lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var lines []string
	for _, message := range slices.Sorted(maps.Keys(t.mu.messages)) {
		lines = append(lines, fmt.Sprintf("%d × %s: %s", t.mu.messages[message], message, t.mu.example[message]))
	}
	return lines
}

func (t *Trouble) logger(id cluster.MachineID) *slog.Logger {
	return slog.New(&complaint{trouble: t, machine: id})
}

func (t *Trouble) take(id cluster.MachineID, r slog.Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.lost[id] || len(t.mu.lost) > 0 && slices.Contains(ofLosses, r.Message) {
		return
	}
	if t.mu.messages == nil {
		t.mu.messages, t.mu.example = make(map[string]int), make(map[string]string)
	}
	t.mu.count++
	t.mu.messages[r.Message]++
	if t.mu.example[r.Message] != "" {
		return
	}
	text := "machine " + string(id)
	r.Attrs(func(a slog.Attr) bool {
		text += " " + a.String()
		return true
	})
	t.mu.example[r.Message] = text
}

// complaint is the log of one machine.
type complaint struct {
	trouble *Trouble
	machine cluster.MachineID
}

func (c *complaint) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

func (c *complaint) Handle(_ context.Context, r slog.Record) error {
	c.trouble.take(c.machine, r)
	return nil
}

func (c *complaint) WithAttrs([]slog.Attr) slog.Handler { return c }
func (c *complaint) WithGroup(string) slog.Handler      { return c }
