package record

import (
	"context"
	"fmt"
	"io"
	"sync"
)

// bridge is a connection to a host's PID 1, through a small program of systemd's own that runs among the host's
// processes: PID 1 refuses those that it cannot see. The program ends with the host, or when its input does, and is
// never killed: it would lose the parent that it has among our processes, and the host's PID 1 cannot end before
// somebody has waited for it.
type bridge struct {
	io.Reader
	io.WriteCloser
	ended func() error // waits for the program
}

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
	return &bridge{out, in, sync.OnceValue(cmd.Wait)}, nil
}

// Close ends the program and waits for it.
func (b *bridge) Close() error {
	b.WriteCloser.Close()
	return b.ended()
}
