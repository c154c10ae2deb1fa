package record

import (
	"context"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"
)

// bridge is a connection to a host's PID 1, through a small program of systemd's own that runs among the host's
// processes: PID 1 refuses those that it cannot see. The program ends with the host, or when its input does.
//
// The host's PID 1 cannot end before somebody has waited for the program, whose parent (nsenter) is one of our
// processes. So that parent is never killed, and is woken up again and again: a host that is shut down stops all its
// processes for a moment, and nsenter follows its child into that, and stays there.
type bridge struct {
	io.Reader
	io.WriteCloser
	ended func() error // waits for the program
}

// awake is how often the program's parent is woken up.
const awake = 100 * time.Millisecond

func openBridge(ctx context.Context, h Host) (*bridge, error) {
	cmd, err := h.Command(ctx, "systemd-stdio-bridge", "--bus-path=unix:path="+privateSocket)
	if err != nil {
		return nil, err
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("connect to systemd: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("connect to systemd: %w", err)
	}
	cmd.Cancel = in.Close
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("connect to systemd: %w", err)
	}
	go func() {
		for cmd.Process.Signal(syscall.SIGCONT) == nil {
			time.Sleep(awake)
		}
	}()
	return &bridge{out, in, sync.OnceValue(cmd.Wait)}, nil
}

// Close ends the program and waits for it.
func (b *bridge) Close() error {
	b.WriteCloser.Close()
	return b.ended()
}
