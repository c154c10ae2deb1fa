package schedule

import (
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"fleet/cluster"
	"fleet/unit"
)

// args are the arguments of a command in a script.
type args struct {
	names    []string
	metadata map[string]string // key=value, but for what machines have
	has      cluster.Capacity
	overlay  map[string]*int64 // the same by resource, nil for "memory="
}

func readArgs(t *testing.T, d *datadriven.TestData) args {
	a := args{metadata: make(map[string]string), overlay: make(map[string]*int64)}
	for _, arg := range d.CmdArgs {
		switch {
		case len(arg.Vals) == 0:
			a.names = append(a.names, arg.Key)
		case isResource(arg.Key) && (d.Cmd == "capacity" || arg.Vals[0] != "" && arg.Vals[0][0] <= '9'):
			a.overlay[arg.Key] = nil
			if arg.Vals[0] != "" {
				a.overlay[arg.Key] = new(amount(t, arg.Key, arg.Vals[0]))
			}
		default:
			a.metadata[arg.Key] = arg.Vals[0]
		}
	}
	a.has = a.capacity()
	return a
}

func isResource(key string) bool {
	switch key {
	case unit.Memory, unit.CPU, unit.Disk, unit.Slots, "physical", "gpu", "license":
		return true
	}
	return false
}

// amount reads 4G, 512M, and of CPU 1.5.
func amount(t *testing.T, key, s string) int64 {
	factor := 1.0
	if i := strings.IndexByte("KMGT", s[len(s)-1]); i >= 0 {
		factor, s = float64(int64(1024)<<(10*i)), s[:len(s)-1]
	}
	if key == unit.CPU {
		factor = 1000
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	return int64(n * factor)
}

func (a args) capacity() cluster.Capacity {
	var c cluster.Capacity
	overlay := maps.Clone(a.overlay)
	if physical := overlay["physical"]; physical != nil {
		c.PhysicalMemory = *physical
	}
	delete(overlay, "physical")
	s := cluster.Settings{Capacity: make(map[string]int64)}
	for key, n := range overlay {
		if n != nil {
			s.Capacity[key] = *n
		}
	}
	return s.Limit(c)
}

func (a args) machines() []cluster.MachineID {
	ids := make([]cluster.MachineID, len(a.names))
	for i, name := range a.names {
		ids[i] = cluster.MachineID(name)
	}
	return ids
}

func (a args) duration(t *testing.T) time.Duration {
	d, err := time.ParseDuration(a.names[0])
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// operate does to the settings of a machine what an operator's command asks for.
func (a args) operate(command string, settings *cluster.Settings) {
	switch command {
	case "settings":
		settings.Metadata = make(map[string]*string)
		for key, value := range a.metadata {
			settings.Metadata[key] = &value
			if value == "" {
				settings.Metadata[key] = nil
			}
		}
	case "capacity":
		settings.Capacity = maps.Clone(settings.Capacity)
		if settings.Capacity == nil {
			settings.Capacity = make(map[string]int64)
		}
		for key, n := range a.overlay {
			if n == nil {
				delete(settings.Capacity, key)
				continue
			}
			settings.Capacity[key] = *n
		}
	case "cordon", "uncordon":
		settings.Cordoned = command == "cordon"
	case "drain":
		settings.Drain = &cluster.Drain{}
	case "undrain":
		settings.Drain = nil
	}
}
