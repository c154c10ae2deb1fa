package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"github.com/rogpeppe/go-internal/testscript"
)

// onTerminal is the script command
//
//	terminal COLUMNSxROWS CODE [ACTION…] -- COMMAND…
//
// that runs a command with a terminal of that size as its stdin, stdout and stderr,
// and demands its exit code. Each action is two words:
//
//	await PATTERN     block until the terminal has shown that since the last await
//	send KEYS         type; ^C is Ctrl-C, ^M is Enter
//	resize COLUMNSxROWS
//	signal NAME       TERM or INT
//	run WORDS         the same program with these arguments meanwhile
//	cluster WORDS     as the script command
//
// What the terminal has shown is in the file "screen" afterwards, with ^[ for escape.
func onTerminal(ts *testscript.TestScript, neg bool, args []string) {
	actions, command, found := cutArgs(args)
	if neg || !found || len(actions) < 2 || len(actions)%2 != 0 {
		ts.Fatalf("usage: terminal COLUMNSxROWS CODE [ACTION ARGUMENT]... -- COMMAND...")
	}
	program, err := lookIn(ts.Getenv("PATH"), command[0])
	ts.Check(err)
	cmd := exec.Command(program, command[1:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = []string{"TERM=xterm"}
	for _, key := range []string{"FLEETCTL_ENDPOINT", "FLEETCTL_OUTPUT", "NO_COLOR", "PATH", "TZ", "TERM", "HOME", "GORACE"} {
		if value := ts.Getenv(key); value != "" {
			cmd.Env = append(cmd.Env, key+"="+value)
		}
	}
	size, err := sizeOf(actions[0])
	ts.Check(err)
	console, err := pty.StartWithSize(cmd, size)
	ts.Check(err)
	defer console.Close()
	s := &screen{grown: make(chan struct{}, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(s, console) // ends with an error when the command does
	}()
	watchdog := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer watchdog.Stop()
	var failure error
	for i := 2; i < len(actions) && failure == nil; i += 2 {
		switch words := strings.Fields(actions[i+1]); actions[i] {
		case "run":
			other := exec.Command(program, words...)
			other.Dir, other.Env = cmd.Dir, cmd.Env
			if out, err := other.CombinedOutput(); err != nil {
				failure = fmt.Errorf("run %s: %w: %s", actions[i+1], err, out)
			}
		case "cluster":
			clusterCommand(ts, false, words)
		default:
			failure = act(s, console, cmd.Process, done, actions[i], actions[i+1])
		}
	}
	if failure != nil {
		_ = cmd.Process.Kill()
	}
	<-done
	err = cmd.Wait()
	shown := strings.NewReplacer("\r\n", "\n", "\r", "^M", "\x1b", "^[").Replace(s.String())
	ts.Logf("[screen]\n%s", shown)
	ts.Check(os.WriteFile(ts.MkAbs("screen"), []byte(shown), 0o600))
	ts.Check(failure)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if want, err := strconv.Atoi(actions[1]); err != nil || got != want {
		ts.Fatalf("exit code %d, want %s", got, actions[1])
	}
}

func act(s *screen, console *os.File, process *os.Process, done <-chan struct{}, action, argument string) error {
	switch action {
	case "await":
		return s.await(argument, done)
	case "send":
		_, err := io.WriteString(console, strings.NewReplacer("^C", "\x03", "^M", "\r").Replace(argument))
		return err
	case "resize":
		size, err := sizeOf(argument)
		if err != nil {
			return err
		}
		return pty.Setsize(console, size)
	case "signal":
		return process.Signal(map[string]os.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT}[argument])
	}
	return fmt.Errorf("terminal: no action %q", action)
}

func cutArgs(args []string) (before, after []string, found bool) {
	for i, arg := range args {
		if arg == "--" && i+1 < len(args) {
			return args[:i], args[i+1:], true
		}
	}
	return nil, nil, false
}

func lookIn(path, program string) (string, error) {
	for _, dir := range filepath.SplitList(path) {
		if whole, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return whole, nil
		}
	}
	return "", fmt.Errorf("%s is not in %s", program, path)
}

func sizeOf(text string) (*pty.Winsize, error) {
	var size pty.Winsize
	_, err := fmt.Sscanf(text, "%dx%d", &size.Cols, &size.Rows)
	return &size, err
}

// screen is all that a terminal was sent.
type screen struct {
	mu    sync.Mutex
	all   bytes.Buffer
	seen  int // up to here an await has looked
	grown chan struct{}
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.grown <- struct{}{}:
	default:
	}
	return s.all.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.String()
}

func (s *screen) await(pattern string, done <-chan struct{}) error {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	for {
		s.mu.Lock()
		at := re.FindIndex(s.all.Bytes()[s.seen:])
		if at != nil {
			s.seen += at[1]
		}
		s.mu.Unlock()
		if at != nil {
			return nil
		}
		select {
		case <-s.grown:
		case <-done:
			return fmt.Errorf("the command ended before it showed %q", pattern)
		case <-time.After(30 * time.Second):
			return fmt.Errorf("the terminal does not show %q", pattern)
		}
	}
}
