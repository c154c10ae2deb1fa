package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/unit"
)

func (a *app) editCommand() *cobra.Command {
	var w waiting
	var unverified bool
	cmd := &cobra.Command{
		Use:   "edit UNIT",
		Short: "Edit a unit's file in the cluster",
		Long: `Open a unit's file in an editor, check what was written, and replace the file in the cluster. What is
wanted of the unit stays as it is: one that runs is stopped as its old file says and then started
as the new one says, and fleetctl waits for that as after start.

The editor is $VISUAL, $EDITOR, editor or vi, whichever is there first; without a terminal it has to be one of the first two. A file with a mistake is not
sent: the mistake is shown, and the file may be edited again. So it is with a file that "systemd-analyze verify" says no
systemd runs, where that is installed; but that may be sent all the same, by the answer to a question or with --no-verify. If nothing was changed, nothing is sent. If
somebody else has changed the unit meanwhile nothing is sent either, and what was written is kept in
a file that the message names.`,
		Example: `  fleetctl edit web.service
  EDITOR="code --wait" fleetctl edit web@1`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("expect one unit")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.edit(cmd, args[0], &w, unverified) },
	}
	registerNoVerify(cmd, &unverified)
	w.register(cmd)
	return cmd
}

func (a *app) edit(cmd *cobra.Command, arg string, w *waiting, unverified bool) error {
	ctx := cmd.Context()
	name, err := parseName(arg)
	if err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	u, before, err := current(ctx, c, name)
	if err != nil {
		return err
	}
	d, err := newDraft(name, before)
	if err != nil {
		return err
	}
	defer d.remove()
	d.unverified = unverified
	changed, err := a.write(ctx, d)
	if err != nil {
		return err
	}
	if !changed {
		a.say("Unit %s unchanged", name)
		return a.showUnits([]unit.Name{name}, map[unit.Name]api.Unit{name: u})
	}
	o := order{unit: name, goal: goal(u.DesiredState), global: d.global, file: d.raw, ifMatch: u.Generation}
	err = a.carryOut(cmd, c, w, []order{o})
	if f := faultOf(err); err != nil && f.code != exitFailed && f.code != exitNowhere {
		// It was not accepted, or that is not known.
		d.keep = true
		a.complain("What you wrote is kept in %s", d.path)
	}
	return err
}

// current is a unit and its file, as of one generation of it.
func current(ctx context.Context, c *api.Client, name unit.Name) (api.Unit, []byte, error) {
	for {
		u, err := c.Unit(ctx, name)
		if err != nil {
			return u, nil, getError(name, err)
		}
		if u.Error != "" {
			return u, nil, &fault{exitRefused, fmt.Errorf("unit %s: its record in the cluster cannot be read (%s); submit its file with --replace", name, u.Error)}
		}
		raw, err := c.File(ctx, name)
		if err != nil {
			return u, nil, getError(name, err)
		}
		if unit.IDOf(raw) == u.Content {
			return u, raw, nil
		}
		// Somebody has replaced it in between.
	}
}

// draft is a file that is being edited.
type draft struct {
	name   unit.Name
	path   string
	before []byte

	raw    []byte // what it has become, once it is without mistakes
	global bool
	keep   bool // after the command

	unverified bool // systemd is not asked
}

// newDraft gives the file the unit's name, for editors that go by it, in a directory of its own.
func newDraft(name unit.Name, before []byte) (*draft, error) {
	dir, err := os.MkdirTemp("", "fleetctl-edit-")
	if err != nil {
		return nil, &fault{exitError, fmt.Errorf("make a directory for the editor: %w", err)}
	}
	d := &draft{name: name, path: filepath.Join(dir, string(name)), before: before}
	if err := os.WriteFile(d.path, before, 0o600); err != nil {
		d.remove()
		return nil, &fault{exitError, fmt.Errorf("write a file for the editor: %w", err)}
	}
	return d, nil
}

func (d *draft) remove() {
	if !d.keep {
		_ = os.RemoveAll(filepath.Dir(d.path)) // temporary directories are cleared by others too
	}
}

// write has a person edit the draft until it is without mistakes, and tells whether it is another file then.
func (a *app) write(ctx context.Context, d *draft) (changed bool, err error) {
	for {
		if err := a.openEditor(ctx, d.path); err != nil {
			return false, err
		}
		raw, err := os.ReadFile(d.path)
		if err != nil {
			return false, &fault{exitError, fmt.Errorf("read what the editor wrote: %w", err)}
		}
		if unit.IDOf(raw) == unit.IDOf(d.before) {
			return false, nil
		}
		x := candidate{name: d.name, raw: raw, origin: string(d.name)}
		next, err := a.judge(ctx, d, &x)
		switch {
		case err != nil || next == leaveIt:
			d.keep = true
			return false, &fault{exitError, fmt.Errorf("nothing was sent; what you wrote is kept in %s", d.path)}
		case next == sendIt:
			d.raw, d.global = raw, x.global
			return true, nil
		}
	}
}

// afterEditing is what is done with what was written.
type afterEditing int

const (
	editAgain afterEditing = iota
	sendIt
	leaveIt
)

// judge checks what was written. About mistakes a person decides; the error is that there is none.
func (a *app) judge(ctx context.Context, d *draft, x *candidate) (afterEditing, error) {
	if mistakes := x.check(); mistakes != nil {
		a.complain("%v", mistakes)
		answer, err := a.answer(ctx, "Edit it again? [Y/n] ")
		if strings.HasPrefix(answer, "n") {
			return leaveIt, nil
		}
		return editAgain, err
	}
	if d.unverified {
		return sendIt, nil
	}
	refused := refusals(ctx, []*candidate{x})
	if len(refused) == 0 {
		return sendIt, nil
	}
	a.tellRefusal(refused[0])
	answer, err := a.answer(ctx, "No systemd would run this. Edit it again, send it all the same, or quit? [E/s/q] ")
	switch {
	case errors.Is(err, errNobodyToAsk):
		a.hint("no systemd would run this file; --no-verify sends it all the same")
	case strings.HasPrefix(answer, "s"):
		return sendIt, nil
	case strings.HasPrefix(answer, "q"), strings.HasPrefix(answer, "n"):
		return leaveIt, nil
	}
	return editAgain, err
}

// openEditor runs the user's editor on a file and waits for its end.
func (a *app) openEditor(ctx context.Context, path string) error {
	words, err := a.editor()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, words[0], append(words[1:], path)...)
	a.lend(cmd)
	a.editing.Store(true)
	defer a.editing.Store(false)
	if err := cmd.Run(); err != nil {
		return &fault{exitError, fmt.Errorf("the editor %s failed (%w); nothing was sent", strings.Join(words, " "), err)}
	}
	return nil
}

// errNoTerminal: an editor that nobody has chosen needs one, and would wait for ever or write nonsense into a log.
var errNoTerminal = errors.New("there is no terminal")

func (a *app) editor() ([]string, error) {
	for _, variable := range []string{"VISUAL", "EDITOR"} {
		if words := strings.Fields(a.getenv(variable)); len(words) > 0 {
			return words, nil
		}
	}
	for _, program := range []string{"editor", "vi"} {
		path, err := exec.LookPath(program)
		switch {
		case err != nil:
		case !isTerminal(a.stdin) || !isTerminal(a.stdout):
			return nil, &fault{exitError, fmt.Errorf("%w for %s", errNoTerminal, path)}
		default:
			return []string{path}, nil
		}
	}
	return nil, &fault{exitError, errors.New("there is no editor: set EDITOR to one")}
}
