package simulation

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// history is all that befalls a cluster. It has a text form, by which it can be told and played again.
type history struct {
	machines int
	acts     []act
}

// act is one thing that somebody does, or fate.
type act struct {
	after time.Duration // the act before it
	do    string        // a name of deeds
	on    int           // which machine
	unit  int           // which unit
	last  time.Duration // how long it lasts, if it does
	pick  int           // what else there is to choose
}

const (
	mostMachines = 4
	mostUnits    = 6
)

// imagine makes up a history.
func imagine(seed uint64) history {
	r := rand.New(rand.NewPCG(seed, 2))
	h := history{machines: 2 + (r.IntN(5)+1)/2} // 2 to 4, 3 most often, and 2 least
	units := 1 + r.IntN(mostUnits)
	for i := range units {
		h.acts = append(h.acts, act{after: spell(r, time.Second), do: "submit", unit: i, pick: r.IntN(1 << 10)})
	}
	h.acts = append(h.acts, act{after: 20 * time.Second, do: "wait"})
	total := 0
	for _, d := range deeds {
		total += d.weight
	}
	for range 4 + r.IntN(16) {
		n, i := r.IntN(total), 0
		for ; n >= deeds[i].weight; i++ {
			n -= deeds[i].weight
		}
		h.acts = append(h.acts, act{
			after: spell(r, 20*time.Second), do: deeds[i].name, on: r.IntN(h.machines), unit: r.IntN(units),
			last: spell(r, time.Minute), pick: r.IntN(1 << 10),
		})
	}
	return h
}

// spell is a time of any magnitude: what races is as likely as what does not.
func spell(r *rand.Rand, most time.Duration) time.Duration {
	d := most
	for range r.IntN(5) {
		d /= 4
	}
	return time.Duration(r.Int64N(int64(d) + 1)).Truncate(time.Millisecond)
}

func (h history) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "machines %d\n", h.machines)
	for _, a := range h.acts {
		fmt.Fprintf(&b, "after %s on %d unit %d for %s pick %d: %s\n", a.after, a.on, a.unit, a.last, a.pick, a.do)
	}
	return b.String()
}

// parse is the reverse of String. Lines that begin with # count for nothing.
func parse(text string) (history, error) {
	var h history
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if _, err := fmt.Sscanf(line, "machines %d", &h.machines); err == nil {
			continue
		}
		var a act
		var after, last string
		numbers, do, _ := strings.Cut(line, ": ")
		a.do = do
		if _, err := fmt.Sscanf(numbers, "after %s on %d unit %d for %s pick %d", &after, &a.on, &a.unit, &last, &a.pick); err != nil {
			return h, fmt.Errorf("read %q: %w", line, err)
		}
		var err error
		if a.after, err = time.ParseDuration(after); err != nil {
			return h, err
		}
		if a.last, err = time.ParseDuration(last); err != nil {
			return h, err
		}
		if !slices.ContainsFunc(deeds, func(d deed) bool { return d.name == a.do }) {
			return h, fmt.Errorf("there is no deed %q", a.do)
		}
		h.acts = append(h.acts, a)
	}
	if h.machines < 1 || h.machines > mostMachines {
		return h, fmt.Errorf("%d machines", h.machines)
	}
	return h, nil
}

// shrink looks for a shorter history that fails too, for as long as it is given.
func (h history) shrink(until time.Time, fails func(history) bool) history {
	better := func(next history) bool {
		if time.Now().After(until) || !fails(next) {
			return false
		}
		h = next
		return true
	}
	for chunk := len(h.acts) / 2; chunk > 0; {
		shorter := false
		for from := 0; from+chunk <= len(h.acts); {
			next := h
			next.acts = slices.Concat(h.acts[:from], h.acts[from+chunk:])
			if from < len(next.acts) {
				for _, gone := range h.acts[from : from+chunk] {
					next.acts[from].after += gone.after // the rest happens when it did
				}
			}
			if better(next) {
				shorter = true
				continue
			}
			from += chunk
		}
		if chunk > 1 || !shorter {
			chunk /= 2
		}
	}
	for i := range h.acts {
		for _, simpler := range []func(*act){
			func(a *act) { a.after = a.after.Truncate(time.Second) },
			func(a *act) { a.last = a.last.Truncate(time.Second) },
			func(a *act) { a.after /= 2 },
			func(a *act) { a.last /= 2 },
			func(a *act) { a.pick = 0 },
		} {
			next := h
			next.acts = slices.Clone(h.acts)
			simpler(&next.acts[i])
			if next.acts[i] != h.acts[i] {
				better(next)
			}
		}
	}
	return h
}
