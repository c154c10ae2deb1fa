package registry

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// Orders and reports are most of what is ever read: each change of a machine's is the whole record, and everybody who follows
// the cluster reads it. So they have a reader of their own, for the form in which append.go writes them: no spaces, no key
// but the known ones. What is in any other form, and what is wrong with it, is for encoding/json to tell; of what
// both can read they make the same.

// scanner reads a JSON text from its beginning to its end. It gives up at what it does not know.
type scanner struct {
	text []byte
	at   int
	lost bool
}

func (s *scanner) giveUp() { s.lost, s.at = true, len(s.text) }

// done tells whether all was read.
func (s *scanner) done() bool { return !s.lost && s.at == len(s.text) }

// is takes a character, if it is the next one.
func (s *scanner) is(c byte) bool {
	if s.at < len(s.text) && s.text[s.at] == c {
		s.at++
		return true
	}
	return false
}

func (s *scanner) must(c byte) {
	if !s.is(c) {
		s.giveUp()
	}
}

// object calls fn with each key, for it to read the value.
func (s *scanner) object(fn func(key []byte)) {
	s.must('{')
	if s.is('}') {
		return
	}
	for !s.lost {
		begin := s.at
		key, plain := s.quoted()
		if !plain {
			key = []byte(s.unquote(begin))
		}
		s.must(':')
		fn(key)
		if s.is('}') {
			return
		}
		s.must(',')
	}
}

// quoted takes a string, as it is between the quotes. plain tells whether that is what it means.
func (s *scanner) quoted() (text []byte, plain bool) {
	s.must('"')
	begin := s.at
	plain = true
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case c == '"':
			text = s.text[begin:s.at]
			s.at++
			return text, plain
		case c == '\\':
			plain = false
			s.at++
		case c < ' ', c > '~':
			plain = false
		}
		s.at++
	}
	s.giveUp()
	return nil, false
}

func (s *scanner) string() string {
	begin := s.at
	text, plain := s.quoted()
	if plain {
		return word(text)
	}
	return s.unquote(begin)
}

// unquote is what the string means that was just taken.
func (s *scanner) unquote(begin int) (meant string) {
	if s.lost || json.Unmarshal(s.text[begin:s.at], &meant) != nil {
		s.giveUp()
	}
	return meant
}

func (s *scanner) strings() []string {
	all := []string{}
	s.must('[')
	if s.is(']') {
		return all
	}
	for !s.lost {
		all = append(all, s.string())
		if s.is(']') {
			break
		}
		s.must(',')
	}
	return all
}

func (s *scanner) integer() int64 {
	begin := s.at
	s.is('-')
	digits := s.at
	for s.at < len(s.text) && s.text[s.at] >= '0' && s.text[s.at] <= '9' {
		s.at++
	}
	if s.at-digits > 1 && s.text[digits] == '0' {
		s.giveUp()
		return 0
	}
	n, err := strconv.ParseInt(string(s.text[begin:s.at]), 10, 64)
	if err != nil {
		s.giveUp()
	}
	return n
}

func (s *scanner) int32() int32 {
	n := s.integer()
	if n < math.MinInt32 || n > math.MaxInt32 {
		s.giveUp()
	}
	return int32(n)
}

func (s *scanner) uint32() uint32 {
	n := s.integer()
	if n < 0 || n > math.MaxUint32 {
		s.giveUp()
	}
	return uint32(n)
}

func (s *scanner) bool() bool {
	rest := s.text[s.at:]
	switch {
	case bytes.HasPrefix(rest, []byte("true")):
		s.at += len("true")
		return true
	case bytes.HasPrefix(rest, []byte("false")):
		s.at += len("false")
		return false
	}
	s.giveUp()
	return false
}

func (s *scanner) time() (t time.Time) {
	begin := s.at
	if _, plain := s.quoted(); !plain || t.UnmarshalJSON(s.text[begin:s.at]) != nil {
		s.giveUp()
	}
	return t
}

func (s *scanner) session(of *cluster.Session) {
	s.object(func(key []byte) {
		switch string(key) {
		case "lease":
			of.Lease = s.integer()
		case "bootID":
			of.BootID = s.string()
		default:
			s.giveUp()
		}
	})
}

// record reads what orders and reports have in common, and hands each unit to fn.
func (s *scanner) record(of *cluster.Session, unitOf func(unit.Name), other func(key []byte)) {
	s.object(func(key []byte) {
		switch string(key) {
		case "v":
			if s.integer() != format {
				s.giveUp()
			}
		case "session":
			s.session(of)
		case "units":
			s.object(func(key []byte) { unitOf(unit.Name(key)) })
		default:
			other(key)
		}
	})
}

// scanOrders returns nil if it does not know the form.
func scanOrders(p Pair) *ordersRecord {
	s := scanner{text: p.Value}
	r := ordersRecord{Format: format, Units: make(map[unit.Name]orderRecord, len(p.Value)/256)}
	s.record(&r.Session, func(name unit.Name) { r.Units[name] = s.order() }, func(key []byte) {
		switch string(key) {
		case "lease":
			r.Lease = time.Duration(s.integer())
		case "left":
			if r.Left == nil {
				r.Left = make(map[unit.Name]leftRecord)
			}
			s.object(func(key []byte) { r.Left[unit.Name(key)] = s.left() })
		default:
			s.giveUp()
		}
	})
	if !s.done() || !s.versioned() {
		return nil
	}
	return &r
}

// versioned tells whether the text begins with its format, as ours do: a record without one has none of the known forms.
func (s *scanner) versioned() bool {
	const begins = `{"v":`
	return len(s.text) > len(begins) && string(s.text[:len(begins)]) == begins
}

func (s *scanner) order() (o orderRecord) {
	s.object(func(key []byte) {
		switch string(key) {
		case "content":
			o.Content = unit.ContentID(s.string())
		case "desired":
			o.Desired = cluster.DesiredState(s.string())
		case "generation":
			o.Generation = s.integer()
		case "restart":
			o.Restart = s.integer()
		case "move":
			o.Move = s.integer()
		case "global":
			o.Global = s.bool()
		case "reason":
			o.Reason = s.string()
		case "since":
			o.Since = s.time()
		case "fence":
			o.Fence = s.integer()
		case "freeze":
			o.Freeze = s.bool()
		case "unbound":
			o.Unbound = s.bool()
		case "takes":
			o.Takes = cluster.MachineID(s.string())
		default:
			s.giveUp()
		}
	})
	return o
}

func (s *scanner) left() (l leftRecord) {
	s.object(func(key []byte) {
		if string(key) != "unbound" {
			s.giveUp()
			return
		}
		l.Unbound = s.bool()
	})
	return l
}

// scanReport returns nil if it does not know the form.
func scanReport(p Pair) *reportRecord {
	s := scanner{text: p.Value}
	r := reportRecord{Format: format, Units: make(map[unit.Name]unitReportRecord, len(p.Value)/384)}
	s.record(&r.Session, func(name unit.Name) { r.Units[name] = s.unitReport() }, func(key []byte) {
		switch string(key) {
		case "orders":
			r.Orders = s.integer()
		case "at":
			r.At = s.time()
		default:
			s.giveUp()
		}
	})
	if !s.done() || !s.versioned() {
		return nil
	}
	return &r
}

func (s *scanner) unitReport() (r unitReportRecord) {
	s.object(func(key []byte) {
		switch string(key) {
		case "content":
			r.Content = unit.ContentID(s.string())
		case "generation":
			r.Generation = s.integer()
		case "tried":
			r.Tried = s.integer()
		case "jobResult":
			r.JobResult = unit.JobResult(s.string())
		case "error":
			r.Error = s.string()
		case "log":
			r.Log = s.strings()
		default:
			s.state(key, &r.State)
		}
	})
	return r
}

func (s *scanner) state(key []byte, of *unit.State) {
	switch string(key) {
	case "load":
		of.Load = s.string()
	case "active":
		of.Active = s.string()
	case "sub":
		of.Sub = s.string()
	case "result":
		of.Result = s.string()
	case "exitStatus":
		of.ExitStatus = s.int32()
	case "signaled":
		of.Signaled = s.bool()
	case "skipped":
		of.Skipped = s.bool()
	case "mainPID":
		of.MainPID = s.uint32()
	case "restarts":
		of.Restarts = s.uint32()
	case "invocationID":
		of.InvocationID = s.string()
	case "since":
		of.Since = s.time()
	case "job":
		of.Job = s.string()
	default:
		s.giveUp()
	}
}

// word is the text, which costs no memory if it is one of those that nearly every unit has.
func word(text []byte) string {
	switch string(text) {
	case "loaded":
		return "loaded"
	case "active":
		return "active"
	case "running":
		return "running"
	case "success":
		return "success"
	case "done":
		return "done"
	case "launched":
		return "launched"
	case "activating":
		return "activating"
	case "inactive":
		return "inactive"
	case "failed":
		return "failed"
	case "dead":
		return "dead"
	case "start":
		return "start"
	case "exited":
		return "exited"
	case "auto-restart":
		return "auto-restart"
	}
	return string(text)
}
