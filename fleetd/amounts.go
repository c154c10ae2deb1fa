package main

import (
	"fmt"
	"strconv"
	"strings"

	"fleet/fleetd/capacity"
	"fleet/unit"
)

// amount reads so much of one of the host's resources. Of memory and disk it may be a share of what was
// detected; percents of CPU are of one CPU, as in CPUQuota=.
func amount(resource string, field func(*Settings) **capacity.Amount) func(*Settings, string) error {
	return func(s *Settings, v string) error {
		v = strings.TrimSpace(v)
		a := new(capacity.Amount)
		err := error(nil)
		if number, percent := strings.CutSuffix(v, "%"); percent && resource != unit.CPU {
			*a, err = percentage(number)
		} else {
			a.Value, err = unit.ParseAmount(resource, v)
		}
		switch {
		case err != nil && resource != unit.CPU:
			return fmt.Errorf("expect a size, or a share such as 25%%: %w", err)
		case err != nil:
			return err
		}
		*field(s) = a
		return nil
	}
}

func percentage(number string) (capacity.Amount, error) {
	points, err := strconv.ParseFloat(number, 64)
	if err != nil || !(points >= 0 && points <= 100) {
		return capacity.Amount{}, fmt.Errorf("%q is no share from 0%% to 100%%", number+"%")
	}
	return capacity.Amount{Share: int64(points*100 + 0.5)}, nil
}

// setResources reads countable resources that the operator names.
func setResources(s *Settings, v string) error {
	resources := make(map[string]int64)
	for pair := range strings.SplitSeq(v, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, text, ok := strings.Cut(pair, "=")
		name, text = strings.TrimSpace(name), strings.TrimSpace(text)
		if !ok {
			return fmt.Errorf("expect NAME=NUMBER separated by commas, such as gpu=2,license=1, got %q", strings.TrimSpace(pair))
		}
		if err := unit.CheckResource(name); err != nil {
			return err
		}
		n, err := unit.ParseAmount(name, text)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if _, twice := resources[name]; twice {
			return fmt.Errorf("%s is given twice", name)
		}
		resources[name] = n
	}
	s.Resources = resources
	return nil
}

func setStrategy(s *Settings, v string) error {
	switch strategy := unit.Strategy(v); strategy {
	case unit.Pack, unit.SpreadEvenly:
		s.PlacementStrategy = strategy
		return nil
	}
	return fmt.Errorf("expect pack or spread, got %q", v)
}
