package main

import (
	"fmt"
	"strconv"
	"strings"

	"fleet/engine/schedule"
	"fleet/unit"
)

// brain is what the decisions of this fleetd's engine depend on beside the facts.
func (s Settings) brain() schedule.Options {
	return schedule.Options{
		Strategy: s.PlacementStrategy,
		OnLost:   s.OnLost, ReplaceAfter: s.ReplaceAfter,
		LossLimit: s.LossLimit, LossWindow: s.LossWindow, ReturnGrace: s.AgentTTL,
	}
}

func (s Settings) validateLosses() error {
	if s.LossWindow < s.AgentTTL {
		// Leases of machines that are cut off together end within one lease of each other.
		return fmt.Errorf("loss_window = %s: expect at least agent_ttl, which is %s", s.LossWindow, s.AgentTTL)
	}
	return nil
}

func setOnLost(s *Settings, v string) (err error) {
	s.OnLost, err = unit.ParseOnLost(v)
	return err
}

func setReplaceAfter(s *Settings, v string) (err error) {
	s.ReplaceAfter, err = unit.ParseSpan(v)
	return err
}

func setLossLimit(s *Settings, v string) error {
	n, err := strconv.Atoi(strings.TrimSuffix(v, "%"))
	if err != nil || n < 1 || n > 100 {
		return fmt.Errorf("expect a percentage from 1%% to 100%%, got %q", v)
	}
	s.LossLimit = n
	return nil
}
