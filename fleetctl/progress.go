package main

import (
	"fmt"
	"time"
)

// progress is one line on a person's terminal that says what is waited for. It
// appears after a second, or at once when there is much to wait for, and is gone while anything else is written.
type progress struct {
	app    *app
	width  int
	ticker *time.Ticker // nil if no person watches
	begun  bool         // it has been due
	shown  bool
}

// much is how many units a person would rather see counted than wait for in silence.
const much = 10

func newProgress(a *app, units int) *progress {
	p := &progress{app: a}
	if width, ok := a.terminal(); ok {
		p.width, p.ticker, p.begun = width, time.NewTicker(time.Second), units >= much
	}
	return p
}

// due rings when the line is to be written anew.
func (p *progress) due() <-chan time.Time {
	if p.ticker == nil {
		return nil
	}
	return p.ticker.C
}

func (p *progress) show(text string) {
	p.begun = true
	fmt.Fprintf(p.app.stderr, "\r\x1b[K%s", shorten(oneLine(text), p.width-1))
	p.shown = true
}

// again writes the line anew if it has appeared before.
func (p *progress) again(text func() string) {
	if p.begun {
		p.show(text())
	}
}

func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.app.stderr, "\r\x1b[K")
	}
	p.shown = false
}

func (p *progress) stop() {
	p.clear()
	if p.ticker != nil {
		p.ticker.Stop()
	}
}
