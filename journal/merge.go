package journal

import (
	"context"
	"time"
)

// Line is an entry on its way: where and when it was written, and its JSON without the machine.
type Line struct {
	Machine string
	At      time.Time
	JSON    []byte
}

// Merge hands fn what the channels bring, in the order of time, and of several at
// the same time that of the first channel first. What one channel brings is in order already, and the
// channel is closed at its end. Merge waits for the slowest, so that nothing comes too late.
func Merge(ctx context.Context, channels []<-chan Line, fn func(Line) error) error {
	heads := make([]*Line, len(channels))
	open := len(channels)
	next := func(i int) error {
		select {
		case line, ok := <-channels[i]:
			if heads[i] = nil; ok {
				heads[i] = &line
				return nil
			}
			open--
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for i := range channels {
		if err := next(i); err != nil {
			return err
		}
	}
	for open > 0 {
		first := -1
		for i, head := range heads {
			if head != nil && (first < 0 || head.At.Before(heads[first].At)) {
				first = i
			}
		}
		if err := fn(*heads[first]); err != nil {
			return err
		}
		if err := next(first); err != nil {
			return err
		}
	}
	return nil
}

// Tail keeps the last lines that it is given.
type Tail struct {
	size  int
	lines []Line
	first int // the oldest, once there are as many as there may be
}

// NewTail keeps at most so many.
func NewTail(size int) *Tail { return &Tail{size: size} }

// Add takes in a line, which is younger than those before.
func (t *Tail) Add(line Line) {
	switch {
	case t.size == 0:
	case len(t.lines) < t.size:
		t.lines = append(t.lines, line)
	default:
		t.lines[t.first] = line
		t.first = (t.first + 1) % t.size
	}
}

// Lines are those that were kept, oldest first.
func (t *Tail) Lines() []Line {
	return append(t.lines[t.first:len(t.lines):len(t.lines)], t.lines[:t.first]...)
}
