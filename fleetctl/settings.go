package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// registerSettings adds the flags that all commands share. Each is also read
// from its variable, FLEETCTL_ and its name in capitals.
func (a *app) registerSettings(flags *pflag.FlagSet) {
	flags.StringVar(&a.endpoint, "endpoint", "unix:///var/run/fleet.sock",
		"`URL` of fleetd's API: unix:///path, http://host:port or https://host:port; of several, divided by commas, the first that answers")
	flags.StringVar(&a.caFile, "ca-file", "", "certificate authority that signed the server's certificate, instead of the system's")
	flags.StringVar(&a.certFile, "cert-file", "", "client certificate")
	flags.StringVar(&a.keyFile, "key-file", "", "private key of the client certificate")
	a.requestTimeout = seconds(defaultRequestTimeout)
	flags.Var(&a.requestTimeout, "request-timeout", "how long one request may take, in seconds or as a duration such as 1m30s")
	a.openSSH.register(flags)
	a.output = output{form: formTable, text: string(formTable)}
	flags.VarP(&a.output, "output", "o", outputUsage)
	values(flags, "output", "table", "wide", "json", "yaml", "name", "jsonpath=", "template=")
	flags.StringVar(&a.color, "color", "auto", "`WHEN` to use colour: auto, always or never; auto is colour on a terminal, unless NO_COLOR is set")
	values(flags, "color", "auto", "always", "never")
	flags.BoolVar(&a.debug, "debug", false, "log every request to stderr")

	flags.StringVar(&a.driver, "driver", "API", "API, the only one left")
	_ = flags.MarkHidden("driver") // fails only for a flag that does not exist
	bygone(flags, "etcd-key-prefix", "only fleetd speaks to etcd, and has etcd_key_prefix in its own settings")
	bygoneSwitch(flags, "experimental-api", "the API is always used")
}

// oldNames are spellings of fleet 1 that are still understood: one-letter names
// that it had registered as long ones, and what it called flags before.
var oldNames = map[string]string{
	"l": "full", "f": "follow", "A": "forward-agent", "h": "help",
	"etcd-cafile": "ca-file", "etcd-certfile": "cert-file", "etcd-keyfile": "key-file",
}

func flagName(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	if today, old := oldNames[name]; old {
		name = today
	}
	return pflag.NormalizedName(name)
}

// variables are the environment variables of a global flag, the present name first.
func variables(flag string) []string {
	names := []string{flag}
	for old, today := range oldNames {
		if today == flag && len(old) > 1 {
			names = append(names, old)
		}
	}
	for i, name := range names {
		names[i] = "FLEETCTL_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
	}
	return names
}

// gone marks flags that fleet 1 had and that have nothing left to do; the value says why.
const gone = "gone"

// bygone adds a hidden flag that does nothing but warn. A flag whose absence would change
// what happens must not be one of these.
func bygone(flags *pflag.FlagSet, name, why string) {
	flags.String(name, "", "does nothing: "+why)
	hideGone(flags, name, why)
}

func bygoneSwitch(flags *pflag.FlagSet, name, why string) {
	flags.Bool(name, false, "does nothing: "+why)
	hideGone(flags, name, why)
}

func hideGone(flags *pflag.FlagSet, name, why string) {
	f := flags.Lookup(name)
	f.Hidden = true
	f.Annotations = map[string][]string{gone: {why}}
}

// prepare reads the settings that the command line does not give, and checks all of them.
func (a *app) prepare(cmd *cobra.Command) error {
	if err := a.readEnvironment(cmd.Root().PersistentFlags()); err != nil {
		return err
	}
	switch {
	case strings.EqualFold(a.driver, "etcd"):
		return usage(errors.New("the etcd driver is gone: fleetctl reaches the cluster through a fleetd; leave out --driver (FLEETCTL_DRIVER) and name that fleetd with --endpoint (FLEETCTL_ENDPOINT)"))
	case !strings.EqualFold(a.driver, "API"):
		return usage(fmt.Errorf("unrecognized driver %q; the only one is API, which needs not be named", a.driver))
	case a.requestTimeout == 0:
		return usage(errors.New("--request-timeout must be more than zero"))
	}
	if err := a.openSSH.check(); err != nil {
		return usage(err)
	}
	if a.openSSH.tunnel != "" {
		a.requestTimeout += a.openSSH.timeout // a request may have to connect first
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if why := f.Annotations[gone]; f.Changed && why != nil {
			a.complain("WARNING: --%s does nothing: %s", f.Name, why[0])
		}
	})
	if a.color != "auto" && a.color != "always" && a.color != "never" {
		return usage(fmt.Errorf("color %q: expect auto, always or never", a.color))
	}
	return nil
}

// log is of requests, and of the programs that are run.
func (a *app) log() *slog.Logger {
	if !a.debug {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// readEnvironment gives each global flag that is not on the command line the value of its variable.
func (a *app) readEnvironment(flags *pflag.FlagSet) error {
	var mistakes []error
	flags.VisitAll(func(f *pflag.Flag) {
		for _, variable := range variables(f.Name) {
			value := a.getenv(variable)
			if f.Changed || value == "" {
				continue
			}
			if err := flags.Set(f.Name, value); err != nil {
				mistakes = append(mistakes, fmt.Errorf("environment variable %s: %w", variable, err))
			}
		}
	})
	if len(mistakes) > 0 {
		return usage(errors.Join(mistakes...))
	}
	return nil
}

// offline marks commands that need no fleetd.
const offline = "offline"

// chooseEndpoint finds the first of several endpoints that answers. About the store, one
// answers that cannot answer anything else.
func (a *app) chooseEndpoint(ctx context.Context, store bool) error {
	a.endpoints = cmp.Or(a.endpoints, a.endpoint)
	if !strings.Contains(a.endpoints, ",") {
		return nil
	}
	var silent []error
	for _, endpoint := range strings.Split(a.endpoints, ",") {
		err := a.try(ctx, strings.TrimSpace(endpoint), store)
		var f *fault
		if err == nil || errors.As(err, &f) && f.code != exitUnreachable {
			return err
		}
		silent = append(silent, err)
	}
	return remote(fmt.Errorf("none of %d endpoints answers: %w", len(silent), errors.Join(silent...)))
}

// try makes an endpoint the one that is used, and asks it something small.
func (a *app) try(ctx context.Context, endpoint string, store bool) error {
	a.endpoint = endpoint
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeoutCause(ctx, endpointPatience, fmt.Errorf("no answer within %s", endpointPatience))
	defer cancel()
	if store {
		_, err = c.Store(ctx)
	} else {
		_, err = c.Machines(ctx)
	}
	return remote(err)
}

// tristate is a flag that is true, false, or left to somebody else.
type tristate struct{ value *bool }

func (t *tristate) String() string {
	if t.value == nil {
		return ""
	}
	return strconv.FormatBool(*t.value)
}

// Type is the word for the value in the help.
func (*tristate) Type() string { return "bool" }

// Set reads the flag.
func (t *tristate) Set(text string) error {
	b, err := strconv.ParseBool(text)
	if err != nil {
		return fmt.Errorf("expect true or false, not %q", text)
	}
	t.value = &b
	return nil
}
