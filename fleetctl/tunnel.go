package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// dialThroughTunnel makes one connection of the API by an ssh of its own: to a port
// ssh forwards, to a socket a fleetctl on the other side does.
func (a *app) dialThroughTunnel(ctx context.Context, network, address string) (net.Conn, error) {
	h, err := a.openSSH.tunnelHost()
	if err != nil {
		return nil, err
	}
	args := append(a.openSSH.options(h), "-T", "-o", "ClearAllForwardings=yes", "-o", "RemoteCommand=none")
	if network == "unix" {
		args = append(args, a.openSSH.destination(h)...)
		args = append(args, "fleetctl fd-forward "+shellQuote(address))
	} else {
		args = append(args, "-W", address)
		args = append(args, a.openSSH.destination(h)...)
	}
	a.log().DebugContext(ctx, "connect through ssh", "args", args)
	// It outlives ctx, which is for the dialling.
	cmd := exec.Command("ssh", args...)
	cmd.Stderr = a.stderr
	near, far, err := socketPair()
	if err != nil {
		return nil, fmt.Errorf("connect through ssh to %s: %w", h.name, err)
	}
	cmd.Stdin, cmd.Stdout = far, far
	err = cmd.Start()
	_ = far.Close() // the program has its own
	if err != nil {
		_ = near.Close()
		return nil, &tunnelError{host: h.name, err: err}
	}
	c := &tunnelConn{Conn: near, host: h.name, process: cmd.Process, over: make(chan struct{})}
	go func() {
		c.err = cmd.Wait()
		close(c.over)
	}()
	return c, nil
}

// tunnelConn is a connection whose other end is a program.
type tunnelConn struct {
	net.Conn
	host    string
	process *os.Process
	close   sync.Once

	over chan struct{} // the program has ended, with err
	err  error
}

// Read implements net.Conn. An end because the program has failed is not an end like others.
func (c *tunnelConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		err = c.reason(err)
	}
	return n, err
}

// Write implements net.Conn.
func (c *tunnelConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		err = c.reason(err)
	}
	return n, err
}

// lastWords is how long a program that has closed its end may take to exit.
const lastWords = time.Second

func (c *tunnelConn) reason(err error) error {
	select {
	case <-c.over:
	case <-time.After(lastWords):
		return err
	}
	if c.err == nil {
		return err
	}
	return &tunnelError{host: c.host, err: c.err}
}

// Close implements net.Conn.
func (c *tunnelConn) Close() error {
	err := c.Conn.Close()
	c.close.Do(func() { _ = c.process.Kill() }) // fails only if it has ended
	<-c.over
	return err
}

// tunnelError is the end of the ssh that a connection went through.
type tunnelError struct {
	host string
	err  error
}

func (e *tunnelError) Error() string {
	return fmt.Sprintf("tunnel to %s: ssh: %v", e.host, e.err)
}

func (e *tunnelError) Unwrap() error { return e.err }

// hint is what a person may try.
func (e *tunnelError) hint() string {
	var exit *exec.ExitError
	switch {
	case errors.Is(e.err, exec.ErrNotFound):
		return "install OpenSSH's ssh program (package openssh-client)"
	case !errors.As(e.err, &exit):
		return ""
	case exit.ExitCode() == 127:
		return fmt.Sprintf("%s has no fleetctl in PATH, which a tunnel to a socket needs there; install it, or name a TCP endpoint of the cluster with --endpoint", e.host)
	case exit.ExitCode() == int(exitUnreachable):
		return fmt.Sprintf("is fleetd running on %s, and may the user there use its socket?", e.host)
	}
	return fmt.Sprintf("try it by hand: ssh %s", e.host)
}

// socketPair is a connection to a program's stdin and stdout.
func socketPair() (net.Conn, *os.File, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make a socket pair: %w", err)
	}
	near, far := os.NewFile(uintptr(fds[0]), "tunnel"), os.NewFile(uintptr(fds[1]), "tunnel")
	defer near.Close() // the connection has its own
	c, err := net.FileConn(near)
	if err != nil {
		_ = far.Close()
		return nil, nil, fmt.Errorf("make a connection of a socket: %w", err)
	}
	return c, far, nil
}
