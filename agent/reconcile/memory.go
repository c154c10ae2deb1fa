package reconcile

import (
	"time"

	"fleet/unit"
)

// Memory is what the agent has to know of a unit that neither its orders nor
// systemd can tell. The zero Memory is that of a unit never dealt with, or of
// one whose memory was lost. Memories are compared with ==.
type Memory struct {
	// Content is what was last loaded and verified, hence what runs if anything does.
	Content unit.ContentID `json:"content,omitempty"`

	Generation int64 `json:"generation,omitempty"` // last generation carried out
	Restart    int64 `json:"restart,omitempty"`    // last restart carried out
	Tried      int64 `json:"tried,omitempty"`      // last generation that was begun

	Job unit.JobResult `json:"job,omitempty"` // how the last job for Tried ended

	// Of a unit that is bound to the fence.
	Permit Permit `json:"permit,omitzero"` // to start, as it was given last
	Under  string `json:"under,omitempty"` // the fence under which it was started; empty once it has ended of itself

	Intent  Intent  `json:"intent,omitzero"`
	Failure Failure `json:"failure,omitzero"`
}

// Permit is what a unit that is bound to the fence needs to be started.
type Permit struct {
	Life   string `json:"life,omitempty"`   // of the fence; the next one takes it back
	Number int64  `json:"number,omitempty"` // Order.Fence
}

// Intent is a start or restart that was decided and whose end is not known. It
// has to be kept safe before the job is queued: after a crash the unit's
// InvocationID tells whether systemd carried it out.
type Intent struct {
	Generation int64  `json:"generation,omitempty"`
	Restart    int64  `json:"restart,omitempty"`
	Before     string `json:"before,omitempty"` // InvocationID before the job
}

// Failure is why the agent could not take a step.
type Failure struct {
	Generation int64     `json:"generation,omitempty"` // what the step was for; 0: for the unit to leave
	Error      string    `json:"error,omitempty"`
	Attempts   int       `json:"attempts,omitempty"`
	Retry      time.Time `json:"retry,omitzero"` // not to be tried again before; zero: at once
}

// known tells whether the unit's start was ever decided here.
func (m Memory) known() bool { return m.Generation > 0 || m.Intent != Intent{} }

// begin notes that generation is being worked on.
func (m *Memory) begin(generation int64) {
	if m.Tried < generation {
		m.Tried, m.Job = generation, ""
	}
}

// acted notes that generation and restart were carried out.
func (m *Memory) acted(generation, restart int64) {
	m.begin(generation)
	m.Generation = max(m.Generation, generation)
	m.Restart = max(m.Restart, restart)
	m.Intent = Intent{}
	m.Failure = Failure{}
}

// undo notes that the unit leaves. Should it be ordered anew before it is gone, perhaps by
// the same generation as before, then what was carried out once has to be carried out again.
func (m *Memory) undo() {
	m.Generation, m.Restart, m.Tried, m.Intent = 0, 0, 0, Intent{}
	m.Permit, m.Under = Permit{}, ""
}

// rewind forgets what was carried out for a generation later than the one that is ordered: the store was restored
// to an earlier state, and that future never was. What runs is adopted, as without a memory.
func (m *Memory) rewind(ordered int64) {
	if max(m.Generation, m.Tried, m.Intent.Generation) > ordered {
		*m = Memory{Content: m.Content, Permit: m.Permit, Under: m.Under}
	}
}

// recall settles an intent whose end was not seen: a new invocation without a
// job means that it was carried out, with whatever result. No invocation at
// all proves nothing, because systemd forgets units that nobody refers to.
func (m *Memory) recall(s unit.State) {
	i := m.Intent
	if i == (Intent{}) || s.Job != "" || s.InvocationID == "" || s.InvocationID == i.Before {
		return
	}
	m.Generation = max(m.Generation, i.Generation)
	m.Restart = max(m.Restart, i.Restart)
	m.Intent = Intent{}
}

// failed notes an error; the next attempt waits twice as long as the one before.
func (m *Memory) failed(generation int64, text string, now time.Time) {
	attempts := 1
	if m.Failure.Generation == generation {
		attempts += m.Failure.Attempts
	}
	m.Failure = Failure{Generation: generation, Error: text, Attempts: attempts, Retry: now.Add(backoff(attempts))}
}

// overcome notes that a step succeeded. The next one need not wait, but should
// it fail in its turn the pauses grow from where they were.
func (m *Memory) overcome() {
	m.Failure.Error, m.Failure.Retry = "", time.Time{}
}

// backoff is how long to wait after so many failed attempts in a row: 1 s, 2 s, 4 s, … 60 s.
func backoff(attempts int) time.Duration {
	const shortest, longest = time.Second, time.Minute
	if attempts > 6 {
		return longest
	}
	return min(shortest<<max(attempts-1, 0), longest)
}
