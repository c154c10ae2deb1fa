package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/unit"
)

func (a *app) catCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "cat UNIT",
		Short: "Print a unit's file, byte for byte as it was submitted",
		Long: `Print a unit's file, byte for byte as it was submitted. The file of an instance is that of its
template, as it was when the instance was submitted.`,
		Example: `  fleetctl cat web@1.service
  fleetctl cat web@.service > web@.service`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("one unit must be provided")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.cat(cmd, args[0]) },
	}
}

func (a *app) cat(cmd *cobra.Command, arg string) error {
	name, err := parseName(arg)
	if err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	if a.structured() {
		u, err := c.Unit(cmd.Context(), name)
		if err != nil {
			return getError(name, err)
		}
		return entities(a, []api.Unit{u})
	}
	raw, err := c.File(cmd.Context(), name)
	if err != nil {
		return getError(name, err)
	}
	_, err = a.stdout.Write(raw)
	return written(err)
}

func getError(name unit.Name, err error) error {
	if errors.Is(err, api.ErrNotFound) {
		return noUnit("unit %s not found", name)
	}
	return remote(fmt.Errorf("get unit %s: %w", name, err))
}
