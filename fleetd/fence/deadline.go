package fence

import (
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Deadline is a timer of the kernel that kills this process. It goes on while the process is stopped, and while the machine sleeps.
type Deadline struct{ id int32 }

// sigevent is the kernel's struct of that name (sigevent(7)), 64 bytes on 64-bit machines.
type sigevent struct {
	value  uintptr
	signo  int32
	notify int32
	_      [64 - 16]byte
}

// NewDeadline makes a deadline that is not set.
func NewDeadline() (*Deadline, error) {
	const sigevSignal = 0
	d := &Deadline{}
	event := sigevent{signo: int32(unix.SIGKILL), notify: sigevSignal}
	_, _, errno := unix.Syscall(unix.SYS_TIMER_CREATE, unix.CLOCK_BOOTTIME, uintptr(unsafe.Pointer(&event)), uintptr(unsafe.Pointer(&d.id)))
	if errno != 0 {
		return nil, fmt.Errorf("make a timer that kills this process: %w", errno)
	}
	return d, nil
}

// Set has the process killed at that time, instead of the one that was set before.
func (d *Deadline) Set(at time.Time) error {
	// The clock is read first: time that passes between the two makes the deadline earlier, not later.
	now, err := sinceBoot()
	if err != nil {
		return err
	}
	left := max(time.Until(at), 0)
	spec := struct{ interval, value unix.Timespec }{value: unix.NsecToTimespec((now + left).Nanoseconds())}
	const absolute = 1 // TIMER_ABSTIME
	_, _, errno := unix.Syscall6(unix.SYS_TIMER_SETTIME, uintptr(d.id), absolute, uintptr(unsafe.Pointer(&spec)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("set the timer that kills this process: %w", errno)
	}
	return nil
}

// sinceBoot is a clock that nobody sets and that goes on while the machine sleeps, the same for all processes.
func sinceBoot() (time.Duration, error) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return 0, fmt.Errorf("read the clock: %w", err)
	}
	return time.Duration(now.Nano()), nil
}
