package main

import (
	"sync"
	"time"

	"fleet/engine"
)

// leadsFirst is how long this machine's engine has to have led before the API follows the cluster for that: a new leader has
// better to do than to read everything twice, and terms that end at once are not worth it.
const leadsFirst = time.Minute

// leads has the API of the machine whose engine leads follow the cluster even if nobody asks it. So there is one in every
// cluster that has the metrics of all of it, for alerts, and a history.
type leads struct {
	keep func(bool) // api.Server.Keep

	mu struct {
		sync.Mutex
		term  int // grows whenever one begins or ends
		timer *time.Timer
		kept  bool
	}
}

// events are e, from which l learns of terms.
func (l *leads) events(e engine.Events) engine.Events {
	began, ended := e.Began, e.Ended
	e.Began = func(at time.Time) {
		began(at)
		l.begin()
	}
	e.Ended = func() {
		ended()
		l.end()
	}
	return e
}

func (l *leads) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.term++
	term := l.mu.term
	l.mu.timer = time.AfterFunc(leadsFirst, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.mu.term == term {
			l.mu.kept = true
			l.keep(true)
		}
	})
}

func (l *leads) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.term++
	l.mu.timer.Stop()
	if l.mu.kept {
		l.mu.kept = false
		l.keep(false)
	}
}
