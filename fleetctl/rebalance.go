package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/cluster"
)

// rebalancing is the flags of rebalance.
type rebalancing struct {
	planOnly, yes bool
	max           int
	goal          string
	timeout       seconds
}

func (a *app) rebalanceCommand() *cobra.Command {
	r := rebalancing{timeout: seconds(defaultTimeout)}
	cmd := &cobra.Command{
		Use:   "rebalance",
		Short: "Move units so that machines become free, or evenly full",
		Long: `Work out the fewest moves that reach a goal, show them with what they gain, and make them one
after another. Each unit has to run on its new machine before the next is moved; at the
first that does not, fleetctl stops and says so. What was moved stays where it is.

Goals:
  free  free the emptiest machines: as few machines as possible have units
  even  even them out: the fullest machine as little full as possible

On a terminal it asks; elsewhere this is refused (exit code 7) unless --yes is given:

    $ fleetctl rebalance --goal even
    ~ web@2.service  would move from 1111aaaa.../10.0.0.1 to 2222bbbb.../10.0.0.2: 1111aaaa 80% → 50%, 2222bbbb 20% → 50%
    1 move: machines without units 0 as before, fullest machine 80% → 50%, unevenness 30% → 0%.
    Make 1 move, one after another? [y/N] y
    Unit web@2.service moved to 2222bbbb.../10.0.0.2
    1 move made.

Each line says what is reserved on both machines, of whichever resource is reserved most; where that does not change by a
whole percent also how many units they have: 1111aaaa 2% as before (29 → 28 units), 2222bbbb 2% (3 → 4).

What is even enough is not moved: even moves between machines of which one is at least 10 percentage points fuller than the
other, measured by whichever resource is reserved most, if that makes the fuller of the two less full by 5 points or by
half of what is moved. When nothing is left to gain by that, units that reserve nothing are moved from machines with many
units to such with few. free empties a machine altogether or leaves it alone, and fills no empty one; global units do not count.

Neither moves units with Movable=no or MachineID=, nor such as are just being started or have failed, and neither gives
anything to a cordoned machine. Units that have to be together (MachineOf=) move together, each counted as a move. At every
moment all rules hold, and there is room for the unit that moves on both of its machines. Nothing is taken back.

The exit code is 0 if every move was
made, or there was none to make; else that of the move at which it stopped.`,
		Example: `  fleetctl rebalance --plan
  fleetctl rebalance --goal even --max 3 --yes`,
		Args: needNothing,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.rebalance(cmd.Context(), r) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&r.planOnly, "plan", false, "show the moves and make none")
	flags.BoolVarP(&r.yes, "yes", "y", false, "do not ask")
	flags.IntVar(&r.max, "max", 0, "make at most this many moves; 0: as many as it takes")
	flags.StringVar(&r.goal, "goal", string(cluster.GoalFree), "free or even")
	values(flags, "goal", string(cluster.GoalFree), string(cluster.GoalEven))
	flags.Var(&r.timeout, "timeout", "give up waiting for one move after this time, in seconds or as a duration such as 1m30s; 0: never")
	return cmd
}

func (a *app) rebalance(ctx context.Context, r rebalancing) error {
	goal := cluster.Goal(r.goal)
	if goal != cluster.GoalFree && goal != cluster.GoalEven {
		return usage(fmt.Errorf("goal %q: expect free or even", r.goal))
	}
	if r.max < 0 {
		return usage(errors.New("--max must be a number of moves, or 0"))
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	p, err := c.Rebalance(ctx, goal, r.max)
	if err != nil {
		return remote(fmt.Errorf("work out how to rebalance: %w", err))
	}
	if a.structured() && r.planOnly {
		return entities(a, []api.Plan{p})
	}
	addresses, err := a.addresses(ctx, c)
	if err != nil {
		return err
	}
	if len(p.Steps) > 0 {
		a.showSteps(p, addresses)
	}
	a.say("%s", gain(p, r.max))
	var moved []api.Unit
	if len(p.Steps) > 0 && !r.planOnly {
		if err := a.confirm(ctx, r, len(p.Steps)); err != nil {
			return err
		}
		moved, err = a.makeMoves(ctx, c, p.Steps, time.Duration(r.timeout))
	}
	if a.structured() {
		if err := entities(a, moved); err != nil {
			return err
		}
	}
	return err
}

// makeMoves makes one move after another, and stops at the first that does not lead to a unit that runs.
func (a *app) makeMoves(ctx context.Context, c *api.Client, steps []api.PlanStep, limit time.Duration) ([]api.Unit, error) {
	var moved []api.Unit
	for i, step := range steps {
		u, code, err := a.makeMove(ctx, c, step, limit)
		if code == exitOK && err == nil {
			moved = append(moved, u)
			continue
		}
		err = withCode(err, code)
		if left := len(steps) - i - 1; left > 0 {
			a.complain("Stopped there: %s made, %d not begun. What was moved stays where it is.", count(i, "move"), left)
		} else {
			a.complain("%s of %d made.", count(i, "move"), len(steps))
		}
		return moved, err
	}
	a.say("%s made.", count(len(steps), "move"))
	return moved, nil
}

// underWay tells whether a unit already goes where a step wants it, with another one that it is tied
// to: there is nothing left but to wait.
func underWay(u api.Unit, step api.PlanStep) bool {
	copies := live(u)
	if u.Absent || u.DesiredState == cluster.Inactive {
		return false
	}
	if phase, _ := outcome(u); len(copies) == 0 {
		return phase == cluster.Working
	}
	return copies[0].MachineID == step.To
}

// makeMove makes one move and waits for it.
func (a *app) makeMove(ctx context.Context, c *api.Client, step api.PlanStep, limit time.Duration) (api.Unit, exitCode, error) {
	if ctx.Err() != nil {
		return api.Unit{}, exitOK, &fault{exitTimeout, errors.New("interrupted")}
	}
	follow, err := openWatch(ctx, c, namesOf(step), time.Duration(a.requestTimeout))
	if err != nil {
		return api.Unit{}, exitOK, err
	}
	defer follow.close()
	u := follow.first[step.Unit]
	o := moveOrder(u, step.To)
	sent, code := []*request{{unit: u.Name, goal: goalMoved, move: o.move, generation: u.Generation}}, exitOK
	if !underWay(u, step) {
		at, err := movable(u)
		if err == nil && at.MachineID != step.From {
			err = &fault{exitRefused, fmt.Errorf("unit %s is no longer where it was when this was worked out; run rebalance again", step.Unit)}
		}
		if err != nil {
			return u, exitOK, err
		}
		sent, code = a.send(ctx, c, []order{o})
	}
	x := newWaiter(a, follow, sent)
	code = worse(code, x.wait(ctx, limit))
	return x.newest[step.Unit], code, nil
}
