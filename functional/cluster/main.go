package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"fleet/functional/testbed"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// usageError is a command line that makes no sense.
type usageError struct{ error }

func misuse(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	err := dispatch(ctx, args, stdout)
	var usage usageError
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errPassed) && errors.As(err, &exit):
		return exitCode(exit)
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "cluster: %v\nTry: scripts/cluster help\n", err)
		return 2
	case ctx.Err() != nil:
		fmt.Fprintf(stderr, "cluster: interrupted. Nothing is lost: repeat the command to complete it, or: scripts/cluster down\n")
		return 130
	default:
		fmt.Fprintf(stderr, "cluster: %v\n", err)
		if hint := hintFor(err); hint != "" {
			fmt.Fprintln(stderr, hint)
		}
		return 1
	}
}

// errPassed marks the end of a command that spoke for itself.
var errPassed = errors.New("command ended")

func exitCode(exit *exec.ExitError) int {
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}

func hintFor(err error) string {
	switch {
	case errors.Is(err, testbed.ErrNoCluster):
		return "Bring it up with: scripts/cluster [--name NAME] up"
	case errors.Is(err, testbed.ErrOff):
		return "Switch it on with: scripts/cluster boot I"
	}
	return ""
}

// command is one run of the program.
type command struct {
	name   string // of the cluster
	source string // root of the repository
	stdout io.Writer
}

func dispatch(ctx context.Context, args []string, stdout io.Writer) error {
	c := command{stdout: stdout}
	flags := newFlags("cluster")
	flags.StringVar(&c.name, "name", "play", "")
	if err := flags.Parse(args); err != nil {
		return helpOr(c, err)
	}
	binary, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the source tree: %w", err)
	}
	c.source = filepath.Dir(filepath.Dir(binary)) // SOURCE/bin/cluster
	args = flags.Args()
	if len(args) == 0 {
		return misuse("say what to do")
	}
	verb, args := args[0], args[1:]
	for _, v := range verbs() {
		if v.name != verb || v.run == nil {
			continue
		}
		return helpOr(c, v.run(ctx, c, args))
	}
	return misuse("there is no %q", verb)
}

// helpOr turns the flag package's wish for help into help.
func helpOr(c command, err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return help(c)
	}
	return err
}

func newFlags(name string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return flags
}

// parse reads flags wherever they stand among the arguments and returns the rest.
func parse(flags *flag.FlagSet, args []string) ([]string, error) {
	var rest []string
	for {
		if err := flags.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, misuse("%s: %v", flags.Name(), err)
		}
		if args = flags.Args(); len(args) == 0 {
			return rest, nil
		}
		rest, args = append(rest, args[0]), args[1:]
	}
}

// only refuses arguments that a verb does not know.
func only(verb string, args []string, most int) error {
	if len(args) > most {
		return misuse("%s: unexpected %q", verb, strings.Join(args[most:], " "))
	}
	return nil
}

// host opens the cluster and finds the host that an argument names: 2 or h2.
func (c command) host(verb string, args []string) (*testbed.Cluster, *testbed.Host, error) {
	if len(args) == 0 {
		return nil, nil, misuse("%s: say which host, by its number", verb)
	}
	index, err := strconv.Atoi(strings.TrimPrefix(args[0], "h"))
	if err != nil {
		return nil, nil, misuse("%s: %q is not the number of a host", verb, args[0])
	}
	cluster, err := c.open()
	if err != nil {
		return nil, nil, err
	}
	h, err := cluster.Host(index)
	if err != nil {
		return nil, nil, misuse("%s: %w", verb, err)
	}
	return cluster, h, nil
}

func (c command) open() (*testbed.Cluster, error) { return testbed.Open(c.name) }
