package main

import (
	"fmt"
	"time"
)

// progress is one line on a person's terminal that says what is waited for. It
// appears after a second and is gone before anything else is written.
type progress struct {
	app    *app
	width  int
	ticker *time.Ticker // nil if no person watches
	shown  bool
}

func newProgress(a *app) *progress {
	p := &progress{app: a}
	if width, ok := a.terminal(); ok {
		p.width, p.ticker = width, time.NewTicker(time.Second)
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
	line := []rune(text)
	if len(line) >= p.width {
		line = append(line[:max(0, p.width-2)], '…')
	}
	fmt.Fprintf(p.app.stderr, "\r\x1b[K%s", string(line))
	p.shown = true
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
