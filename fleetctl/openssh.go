package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"fleet/api"
)

// openSSH is how the user's own ssh program is called. Keys, agent, known hosts and
// everything else that is not said here are its business and its configuration's.
type openSSH struct {
	tunnel     string
	username   string
	timeout    seconds
	checkHosts tristate
	knownHosts string
	batch      bool // never ask for anything
}

func (s *openSSH) register(flags *pflag.FlagSet) {
	s.timeout = seconds(10 * time.Second)
	flags.StringVar(&s.tunnel, "tunnel", "", "reach endpoint and machines through ssh to `HOST`, written as [user@]host[:port]")
	flags.StringVar(&s.username, "ssh-username", "", "log in as `USER`; by default as OpenSSH is configured")
	flags.Var(&s.timeout, "ssh-timeout", "how long ssh may take to connect, in seconds or as a duration; 0: as OpenSSH is configured")
	flags.Var(&s.checkHosts, "strict-host-key-checking", "true: ask about unknown host keys; false: neither check nor record any; by default as OpenSSH is configured")
	flags.Lookup("strict-host-key-checking").NoOptDefVal = "true"
	values(flags, "strict-host-key-checking", "true", "false")
	flags.StringVar(&s.knownHosts, "known-hosts-file", "", "file of known host keys; by default as OpenSSH is configured")
}

// check refuses what ssh would take for something else.
func (s *openSSH) check() error {
	if s.tunnel == "" {
		return nil
	}
	_, err := s.tunnelHost()
	return err
}

// tunnelHost reads --tunnel. An address of IPv6 with a port is in brackets.
func (s *openSSH) tunnelHost() (sshHost, error) {
	malformed := fmt.Errorf("tunnel %q: expect [user@]host[:port]", s.tunnel)
	var h sshHost
	rest := s.tunnel
	if i := strings.LastIndex(rest, "@"); i >= 0 {
		h.user, rest = rest[:i], rest[i+1:]
	}
	h.name = rest
	inner, closed := strings.CutSuffix(strings.TrimPrefix(rest, "["), "]")
	switch {
	case strings.HasPrefix(rest, "[") && closed:
		h.name = inner
	case strings.HasPrefix(rest, "["), strings.Count(rest, ":") == 1:
		name, port, err := net.SplitHostPort(rest)
		if err != nil {
			return sshHost{}, malformed
		}
		h.name = name
		if h.port, err = strconv.Atoi(port); err != nil || h.port < 1 || h.port > 65535 {
			return sshHost{}, fmt.Errorf("tunnel %q: %q is not a port", s.tunnel, port)
		}
	}
	if h.name == "" || strings.HasPrefix(h.name, "-") {
		return sshHost{}, malformed
	}
	return h, nil
}

// sshHost is where an ssh goes.
type sshHost struct {
	user string // empty: --ssh-username
	name string
	port int // 0: OpenSSH's own
}

// options are the arguments that every ssh gets.
func (s *openSSH) options(h sshHost) []string {
	var args []string
	add := func(option, value string) { args = append(args, "-o", option+"="+value) }
	if s.timeout > 0 {
		add("ConnectTimeout", strconv.Itoa(max(1, int(time.Duration(s.timeout)/time.Second))))
	}
	if file := s.knownHosts; file != "" {
		add("UserKnownHostsFile", `"`+file+`"`) // it would be several files if it had a space
	}
	switch check := s.checkHosts.value; {
	case check != nil && *check:
		add("StrictHostKeyChecking", "ask")
	case check != nil:
		add("StrictHostKeyChecking", "no")
		add("UserKnownHostsFile", "/dev/null")
	}
	if s.batch {
		add("BatchMode", "yes")
	}
	if h.port != 0 {
		args = append(args, "-p", strconv.Itoa(h.port))
	}
	return args
}

// destination comes after "--", so that nothing that a machine says of itself can be an option.
func (s *openSSH) destination(h sshHost) []string {
	if h.user == "" {
		h.user = s.username
	}
	if h.user != "" {
		h.name = h.user + "@" + h.name
	}
	return []string{"--", h.name}
}

// toMachine are the arguments for a machine, through the tunnel if there is one.
func (s *openSSH) toMachine(h sshHost, more ...string) ([]string, error) {
	args := s.options(h)
	if s.tunnel != "" {
		by, err := s.tunnelHost()
		if err != nil {
			return nil, err
		}
		// ProxyJump would not hand these options on to the first ssh.
		command := "ssh"
		for _, word := range append(s.options(by), s.destination(by)...) {
			if word == "--" {
				command += " -W '[%h]:%p'"
			}
			command += " " + strings.ReplaceAll(shellQuote(word), "%", "%%")
		}
		args = append(args, "-o", "ProxyCommand="+command)
	}
	return append(append(args, more...), s.destination(h)...), nil
}

// sshTo runs a program on a machine, word by word as given, and returns when it has ended. Its exit
// status is fleetctl's.
func (a *app) sshTo(ctx context.Context, m api.Machine, port int, argv []string) error {
	return a.sshShell(ctx, m, sshCall{port: port, command: shellLine(argv)})
}

// sshApart runs a program on a machine as sshTo does, but beside others: with nothing to read, and with streams of its own.
func (a *app) sshApart(ctx context.Context, m api.Machine, port int, argv []string, stdout, stderr io.Writer) error {
	args, err := a.sshArgs(m, sshCall{port: port, command: shellLine(argv)})
	if err != nil {
		return err
	}
	cmd := a.program(ctx, "ssh", args...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.WaitDelay = time.Second // what ssh has started may hold on to the streams
	err = runProgram(cmd)
	if f := faultOf(err); err != nil && f.err == nil {
		return fmt.Errorf("exit status %d", f.code)
	}
	return err
}

// shellLine is the words of a command as a shell reads them.
func shellLine(argv []string) string {
	words := make([]string, len(argv))
	for i, word := range argv {
		words[i] = shellQuote(word)
	}
	return strings.Join(words, " ")
}

// sshCall is what is wanted of a machine.
type sshCall struct {
	port         int
	forwardAgent bool
	command      string // for the shell there; empty: an interactive shell
}

// sshShell gives a command to the shell of a machine.
func (a *app) sshShell(ctx context.Context, m api.Machine, call sshCall) error {
	var more []string
	if call.command != "" && isTerminal(a.stdin) && isTerminal(a.stdout) {
		more = append(more, "-t") // without a command ssh decides that itself
	}
	args, err := a.sshArgs(m, call, more...)
	if err != nil {
		return err
	}
	return a.runHere(ctx, "ssh", args...)
}

func (a *app) sshArgs(m api.Machine, call sshCall, more ...string) ([]string, error) {
	if m.PrimaryIP == "" {
		return nil, &fault{exitRefused, fmt.Errorf("machine %s has not told its address; set public_ip in its fleetd's settings", m.ID)}
	}
	if call.forwardAgent {
		more = append(more, "-A")
	}
	args, err := a.openSSH.toMachine(sshHost{name: m.PrimaryIP, port: call.port}, more...)
	if err != nil {
		return nil, usage(err)
	}
	if call.command != "" {
		args = append(args, call.command)
	}
	return args, nil
}

// runHere runs a program with fleetctl's own stdin, stdout and stderr. Its exit status is fleetctl's.
func (a *app) runHere(ctx context.Context, program string, args ...string) error {
	cmd := a.program(ctx, program, args...)
	a.lend(cmd)
	return runProgram(cmd)
}

func (a *app) program(ctx context.Context, program string, args ...string) *exec.Cmd {
	a.log().DebugContext(ctx, "run", "program", program, "args", args)
	cmd := exec.CommandContext(ctx, program, args...)
	// A terminal has sent its interrupt to the program as well; it knows how to end.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	return cmd
}

func runProgram(cmd *exec.Cmd) error {
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
		return nil
	case errors.As(err, &exit):
		return ended(exitCode(statusOf(exit)))
	case errors.Is(err, exec.ErrNotFound):
		return &fault{exitError, fmt.Errorf("there is no %s program here; install it (package openssh-client)", cmd.Args[0])}
	}
	return &fault{exitError, fmt.Errorf("run %s: %w", cmd.Args[0], err)}
}

// statusOf is a program's exit status as a shell tells it.
func statusOf(exit *exec.ExitError) int {
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}

// shellQuote makes one word of a shell's command line.
func shellQuote(word string) string {
	plain := func(r rune) bool {
		return r < 128 && (strings.ContainsRune("%+,-./:=@_", r) || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z')
	}
	if word != "" && strings.TrimFunc(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
