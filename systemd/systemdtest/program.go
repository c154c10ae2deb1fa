package systemdtest

import (
	"path"
	"strings"
	"time"

	"fleet/unit"
)

// Program is what a command does whose name does not say it. The zero Program runs until it is stopped.
type Program struct {
	Ends   bool          // by itself
	After  time.Duration // of running
	Status int32         // with which it ends; any but 0 is a failure
	Log    []string      // lines that it writes when it is started

	// Held says that to start and to stop it takes until Host.Release is called.
	Held bool
}

// programs are the files of a host that are not fleet's, by path.
type programs map[string]Program

// Install puts a program on the host. Unit files that are read from then on mean it by its path.
func (h *Host) Install(path string, p Program) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.programs[path] = p
	h.mu.installs++
}

// Release lets the start or the stop of a unit come to its end, which would take for ever otherwise. If a
// start follows that stop, it has to be released too. It does nothing if there is nothing to release.
func (h *Host) Release(n unit.Name) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p := h.mu.units[n]; p != nil && p.held != nil {
		do := p.held
		p.void()
		do()
	}
}

// run is how long commands take one after the other, and whether one fails.
func (programs programs) run(lines []string) (total time.Duration, fail bool) {
	for _, l := range lines {
		d, fail := programs.command(l)
		if fail {
			return longer(total, d), true
		}
		if d == forever {
			return forever, false
		}
		total += d
	}
	return total, false
}

func (programs programs) command(line string) (takes time.Duration, fail bool) {
	ignore := strings.HasPrefix(line, "-")
	words := argv(line)
	if len(words) == 0 {
		return 0, false
	}
	if p, installed := programs[words[0]]; installed {
		if !p.Ends {
			return forever, false
		}
		return p.After, p.Status != 0 && !ignore
	}
	switch path.Base(words[0]) {
	case "true":
		return 0, false
	case "false":
		return 0, !ignore
	case "sleep":
		if len(words) == 2 {
			return parseDuration(words[1]), false
		}
	}
	return forever, false
}

// tell adds to a behaviour what the programs that a service starts have of their own.
func (programs programs) tell(lines []string, b *behaviour) {
	for _, l := range lines {
		words := argv(l)
		if len(words) == 0 {
			continue
		}
		p := programs[words[0]]
		b.logs = append(b.logs, p.Log...)
		if p.Status != 0 {
			b.exit = p.Status
		}
		if p.Held {
			b.startTime, b.stopTime = forever, forever
		}
	}
}

// unmet tells whether ConditionPathExists= has an argument that does not hold here, where there are programs and nothing else.
func (programs programs) unmet(argument string) bool {
	file, negated := strings.CutPrefix(argument, "!")
	_, exists := programs[file]
	return exists == negated
}

// argv splits a command without what systemd has put before it.
func argv(line string) []string { return strings.Fields(strings.TrimLeft(line, "-@:+!")) }
