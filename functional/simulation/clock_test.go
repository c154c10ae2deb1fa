package simulation

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

// clock is what a machine takes for the time of day. It can be set, as by an operator or by NTP after a boot; the
// machine's monotonic clock and its timers go on.
type clock struct{ ahead atomic.Int64 }

func (c *clock) set(ahead time.Duration) { c.ahead.Store(int64(ahead)) }

// now is what time.Now is on a real host: a time of day, with a reading of the monotonic clock by which times of one process are
// compared. In a bubble time.Now has only the former, and time.Since and time.Until know only that, too: whoever asks
// this clock has to subtract.
func (c *clock) now() time.Time {
	now := time.Now()
	return withMonotonic(now.Add(time.Duration(c.ahead.Load())), now.UnixNano())
}

// parts is a time.Time, as its source describes it: with the highest bit of wall set that has the seconds since 1885 in 33
// bits and then the nanoseconds, and ext the reading of the monotonic clock.
type parts struct {
	wall uint64
	ext  int64
	loc  *time.Location
}

const hasMonotonic = 1 << 63

var epoch1885 = time.Date(1885, 1, 1, 0, 0, 0, 0, time.UTC).Unix()

func withMonotonic(t time.Time, reading int64) time.Time {
	p := (*parts)(unsafe.Pointer(&t))
	p.wall, p.ext = hasMonotonic|uint64(t.Unix()-epoch1885)<<30|uint64(t.Nanosecond()), reading
	return t
}

// What the clock is made of is no promise of package time's.
func TestAClockThatIsSetTellsHowMuchTimeHasPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c clock
		before := c.now()
		if !before.Equal(time.Now()) {
			t.Errorf("it is %s instead of %s", before, time.Now())
		}
		for _, ahead := range []time.Duration{5 * time.Hour, -5 * time.Hour} {
			c.set(ahead)
			begun := c.now()
			time.Sleep(time.Second + 5)
			now := c.now()
			if d := now.Sub(begun); d != time.Second+5 || !begun.Before(now) {
				t.Errorf("%s have passed", d)
			}
			if d := time.Until(now.Round(0)); d != ahead {
				t.Errorf("it is ahead by %s instead of %s", d, ahead)
			}
		}
		if d := c.now().Sub(before); d != 2*time.Second+10 {
			t.Errorf("%s have passed", d)
		}
	})
}
