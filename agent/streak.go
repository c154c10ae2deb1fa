package agent

import (
	"log/slog"
	"time"
)

// streak is a row of failures of one kind of call. It is logged when it begins,
// when its error becomes another one and when it is over, not once per attempt.
type streak struct {
	log     *slog.Logger
	doing   string // "read unit states"
	longest time.Duration

	attempts int
	last     string
}

// failed returns how long to wait before the next attempt.
func (s *streak) failed(err error) time.Duration {
	if text := err.Error(); text != s.last {
		s.last = text
		s.log.Warn("cannot "+s.doing+", trying again", "err", err)
	}
	s.attempts++
	return min(100*time.Millisecond<<min(s.attempts-1, 10), s.longest)
}

func (s *streak) over() {
	if s.attempts > 0 {
		s.log.Info("can "+s.doing+" again", "attempts", s.attempts)
	}
	s.attempts, s.last = 0, ""
}
