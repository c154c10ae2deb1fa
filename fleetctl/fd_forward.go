package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/spf13/cobra"
)

// fdForwardCommand is what a tunnel runs on the other side; fleet 1's fleetctl runs it likewise.
func fdForwardCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "fd-forward SOCKET",
		Short:  "Connect stdin and stdout to a socket",
		Long:   `Connect stdin and stdout to a socket. "fleetctl --tunnel" runs this on the host that the tunnel leads to.`,
		Hidden: true, Annotations: map[string]string{offline: ""},
		Example: `  ssh host fleetctl fd-forward /run/fleet.sock`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return fdForward(args[0], os.Stdin, os.Stdout)
		},
	}
}

// fdForward copies in both directions. The end of in is told to the socket, whose last
// words are still copied: it is over when the socket has ended.
func fdForward(socket string, in io.Reader, out io.Writer) error {
	c, err := net.Dial("unix", socket)
	if err != nil {
		// Not wrapped: the hint is given where the tunnel begins.
		return &fault{exitUnreachable, fmt.Errorf("connect to fleetd: %v", err)}
	}
	defer c.Close()
	go func() {
		if _, err := io.Copy(c, in); err != nil {
			_ = c.Close() // nothing more comes of it
			return
		}
		_ = c.(*net.UnixConn).CloseWrite() // fails only if the socket has ended, which is noticed below
	}()
	_, err = io.Copy(out, c)
	if err != nil && !errors.Is(err, syscall.EPIPE) { // that is the tunnel being closed
		return &fault{exitUnreachable, fmt.Errorf("forward %s: %v", socket, err)}
	}
	return nil
}
