package testbed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// A CutMode is how a network fails. They look different to whoever is cut off:
// without a link the host itself sees it; dropped packets are silence; rejected
// ones are an answer.
type CutMode string

const (
	Unplug CutMode = "unplug" // the cable is out: no carrier
	Drop   CutMode = "drop"   // packets vanish both ways
	Reject CutMode = "reject" // connections are refused both ways
	Deaf   CutMode = "deaf"   // packets to it vanish, its own arrive
	Mute   CutMode = "mute"   // packets from it vanish, others' arrive
)

// cut is the failure that a node's network was asked to have. It is kept on disk,
// and the kernel is made to agree with it.
type cut struct {
	Mode  CutMode      `json:"mode"`
	Peers []netip.Addr `json:"peers,omitempty"`
}

// Cut separates the node from the network; with peers named, only from those
// (Unplug cannot choose). The build machine is a peer like others: a node that is
// cut off entirely does not answer it. A second Cut replaces the first. The cut
// outlives Kill and Boot, until Heal.
func (n *node) Cut(ctx context.Context, mode CutMode, peers ...netip.Addr) error {
	switch mode {
	case Unplug, Drop, Reject, Deaf, Mute:
	default:
		return fmt.Errorf("cut %s off: unknown mode %q", n.Name, mode)
	}
	if mode == Unplug && len(peers) > 0 {
		return fmt.Errorf("cut %s off: an unplugged cable separates from all peers", n.Name)
	}
	unlock, err := n.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	data, err := json.Marshal(cut{Mode: mode, Peers: peers})
	if err != nil {
		return fmt.Errorf("cut %s off: %w", n.Name, err)
	}
	if err := replaceFile(n.cutFile(), data, 0o644); err != nil {
		return err
	}
	return n.applyCut(ctx)
}

// Heal ends a Cut; without one it does nothing.
func (n *node) Heal(ctx context.Context) error {
	unlock, err := n.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := os.Remove(n.cutFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("heal %s: %w", n.Name, err)
	}
	return n.applyCut(ctx)
}

func (n *node) cutFile() string { return filepath.Join(n.dir, "cut.json") }

func (n *node) readCut() (cut, error) {
	data, err := os.ReadFile(n.cutFile())
	if errors.Is(err, fs.ErrNotExist) {
		return cut{}, nil
	}
	if err != nil {
		return cut{}, fmt.Errorf("read cut of %s: %w", n.Name, err)
	}
	var c cut
	if err := json.Unmarshal(data, &c); err != nil {
		return cut{}, fmt.Errorf("read cut of %s: %w", n.Name, err)
	}
	return c, nil
}

// applyCut makes the kernel agree with the cut on disk, in one step each for the
// link and for the filter.
func (n *node) applyCut(ctx context.Context) error {
	c, err := n.readCut()
	if err != nil {
		return err
	}
	if _, err := runWith(ctx, c.ruleset(), "ip", "netns", "exec", n.link, "nft", "-f", "-"); err != nil {
		return err
	}
	direction := "up"
	if c.Mode == Unplug {
		direction = "down"
	}
	_, err = run(ctx, "ip", "link", "set", n.link, direction)
	return err
}

// ruleset replaces the node's filter in one transaction. Declaring the table
// before deleting it makes the deletion work whether or not it was there.
func (c cut) ruleset() string {
	rules := "table inet testbed {}\ndelete table inet testbed\n"
	var verdicts []string
	switch c.Mode {
	default:
		return rules
	case Drop, Deaf, Mute:
		verdicts = []string{"drop"}
	case Reject:
		// The refusals themselves have to get through.
		verdicts = []string{"tcp flags rst accept", "icmp type destination-unreachable accept", "meta l4proto tcp reject with tcp reset", "reject"}
	}
	chain := func(hook, loopback, side string) string {
		match := ""
		if len(c.Peers) > 0 {
			match = fmt.Sprintf("ip %s { %s } ", side, joinAddresses(c.Peers))
		}
		lines := []string{
			fmt.Sprintf("type filter hook %s priority 0", hook),
			loopback + " lo accept",
		}
		for _, verdict := range verdicts {
			lines = append(lines, match+verdict)
		}
		return fmt.Sprintf("chain %s {\n%s\n}\n", hook, strings.Join(lines, "\n"))
	}
	rules += "table inet testbed {\n"
	if c.Mode != Mute {
		rules += chain("input", "iif", "saddr")
	}
	if c.Mode != Deaf {
		rules += chain("output", "oif", "daddr")
	}
	return rules + "}\n"
}

func joinAddresses(addresses []netip.Addr) string {
	words := make([]string, len(addresses))
	for i, a := range addresses {
		words[i] = a.String()
	}
	return strings.Join(words, ", ")
}
