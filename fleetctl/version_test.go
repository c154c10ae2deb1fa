package main

import (
	"testing"

	"github.com/coreos/go-semver/semver"

	"fleet/cluster"
)

func TestOurVersionIsSemantic(t *testing.T) {
	if _, err := semver.NewVersion(cluster.Version); err != nil {
		t.Error(err)
	}
}

func TestAnOlderFleetctlKnowsIt(t *testing.T) {
	for _, c := range []struct {
		server, ours string
		newer        bool
	}{
		{"2.0.0", "2.0.0", false},
		{"2.1.0", "2.0.0", true},
		{"v2.10.0", "2.9.0", true},
		{"2.0.0-rc.1", "2.0.0", false},
		{"", "2.0.0", false},
		{"unreleased", "2.0.0", false},
	} {
		if got := newer(c.server, c.ours); got != c.newer {
			t.Errorf("a server of version %q is newer than %q: %v", c.server, c.ours, got)
		}
	}
}
