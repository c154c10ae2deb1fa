package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

const usage = `Breaks a cluster of real hosts for a while, and says whether what fleet promises held.

  scripts/chaos MINUTES [SEED] [--embedded | --external] [--keep]

The order of faults follows from the seed; without one it is drawn, and printed. etcd is embedded in
fleetd or external, as the seed has it or as is said. --keep leaves a cluster that failed for
scripts/cluster --name chaos to look at.

Exit codes: 0 it held, 1 it did not, 2 a command line that makes no sense, 3 it could not be tried, 130 interrupted.
`

// options are what the command line says.
type options struct {
	during   time.Duration
	seed     uint64
	external bool // etcd
	keep     bool
	source   string // root of the repository
}

func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "chaos: %v\nTry: scripts/chaos --help\n", err)
		return 2
	}
	v, err := run(ctx, o, stdout)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "chaos: interrupted")
		return 130
	case err != nil:
		fmt.Fprintf(stderr, "chaos: %v\n", err)
		return 3
	}
	v.print(stdout)
	if v.failed() {
		return 1
	}
	return 0
}

func parse(args []string) (options, error) {
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	embedded := flags.Bool("embedded", false, "")
	external := flags.Bool("external", false, "")
	keep := flags.Bool("keep", false, "")
	var words []string
	for {
		if err := flags.Parse(args); err != nil {
			return options{}, err
		}
		if flags.NArg() == 0 {
			break
		}
		words, args = append(words, flags.Arg(0)), flags.Args()[1:]
	}
	if len(words) < 1 || len(words) > 2 {
		return options{}, errors.New("say for how many minutes, and from which seed if it is to be a certain one")
	}
	minutes, err := strconv.ParseFloat(words[0], 64)
	if err != nil || minutes <= 0 || minutes > 24*60 {
		return options{}, fmt.Errorf("%q is no number of minutes from 0 to a day", words[0])
	}
	seed := rand.Uint64N(1_000_000)
	if len(words) == 2 {
		if seed, err = strconv.ParseUint(words[1], 10, 64); err != nil {
			return options{}, fmt.Errorf("%q is no seed: want a whole number", words[1])
		}
	}
	if *embedded && *external {
		return options{}, errors.New("etcd is either --embedded or --external")
	}
	binary, err := os.Executable()
	if err != nil {
		return options{}, fmt.Errorf("find the source tree: %w", err)
	}
	return options{
		during:   time.Duration(minutes * float64(time.Minute)),
		seed:     seed,
		external: *external || !*embedded && seed%2 == 1,
		keep:     *keep,
		source:   filepath.Dir(filepath.Dir(binary)), // SOURCE/bin/chaos
	}, nil
}
