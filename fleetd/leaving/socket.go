package leaving

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
)

// last is the line with which the other end says that it has done what it could.
const last = "."

// answerWithin is how long fleetd may take to say its first word.
const answerWithin = 5 * time.Second

// Serve hands over, until ctx ends, whenever somebody connects to a socket that only the host's own user can reach. A
// connection that is closed ends the waiting.
func (l *Leaving) Serve(ctx context.Context, path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the socket of a former fleetd: %w", err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("listen for the shutdown of this host: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		listener.Close()
		return fmt.Errorf("listen for the shutdown of this host: %w", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	g.Go(func() error {
		for {
			conn, err := listener.Accept()
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				return fmt.Errorf("listen for the shutdown of this host: %w", err)
			}
			g.Go(func() error {
				l.answer(ctx, conn)
				return nil
			})
		}
	})
	return g.Wait()
}

func (l *Leaving) answer(ctx context.Context, conn net.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	go func() {
		_, _ = io.Copy(io.Discard, conn) // ends when the other end does
		cancel()
	}()
	say := func(words string) { fmt.Fprintln(conn, words) }
	say("fleetd has been asked")
	if err := l.HandOver(ctx, say); err != nil && !ended(err) {
		l.o.Logger.Error("not all units were handed over", "err", err)
		say(err.Error())
	}
	say(last)
}

// Ask has the fleetd that listens at path hand over the units of this host, writes what it says to out, and returns when
// it is done.
func Ask(ctx context.Context, path string, out io.Writer) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return fmt.Errorf("nothing is handed over, fleetd is not there: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := conn.SetReadDeadline(time.Now().Add(answerWithin)); err != nil {
		return fmt.Errorf("ask fleetd to hand over: %w", err)
	}
	lines := bufio.NewScanner(conn)
	for first := true; lines.Scan(); first = false {
		switch {
		case lines.Text() == last:
			return nil
		case first:
			if err := conn.SetReadDeadline(time.Time{}); err != nil {
				return fmt.Errorf("ask fleetd to hand over: %w", err)
			}
			continue
		}
		fmt.Fprintln(out, lines.Text())
	}
	return errors.Join(errors.New("fleetd went away before all was handed over"), lines.Err(), ctx.Err())
}
