package cluster_test

import (
	"fmt"
	"strings"
	"testing"

	"fleet/cluster"
)

// store makes one of members that serve (1), do not (0), and learn (+).
func store(pattern string) cluster.Store {
	var s cluster.Store
	for i, c := range pattern {
		m := cluster.StoreMember{ID: fmt.Sprint(i), Name: string(rune('a' + i)), PeerURLs: []string{fmt.Sprintf("http://10.0.0.%d:2380", i+1)}}
		switch c {
		case '0':
			m.Problem = "no answer"
		case '+':
			m.Learner, m.Problem = true, "it has not started yet"
		}
		s.Members = append(s.Members, m)
	}
	return s
}

func TestMembersOfTheStoreMayGoWhileAMajorityStays(t *testing.T) {
	for _, c := range []struct {
		pattern string
		remove  int
		refused string // empty: it may
	}{
		{"111", 0, ""},
		{"110", 2, ""},
		{"110", 0, "without member a only 1 of 2 members would serve, and 2 are needed"},
		{"1", 0, "everything that is stored would go"},
		{"11", 1, ""},
		{"10", 1, ""},
		{"10", 0, "without member a only 0 of 1 members would serve"},
		{"1100", 3, ""},
		{"1100", 0, "only 1 of 3 members would serve, and 2 are needed"},
		{"1+", 1, ""},
		{"1+", 0, "the only one"},
	} {
		s := store(c.pattern)
		err := s.MayRemove(s.Members[c.remove])
		if (err == nil) != (c.refused == "") || err != nil && !strings.Contains(err.Error(), c.refused) {
			t.Errorf("of %s member %d is removed: %v, want %q", c.pattern, c.remove, err, c.refused)
		}
	}
}

func TestMembersOfTheStoreAreAddedToHealthyOnes(t *testing.T) {
	for _, c := range []struct{ pattern, name, url, refused string }{
		{"111", "d", "http://10.0.0.9:2380", ""},
		{"11+", "d", "http://10.0.0.9:2380", ""},
		{"110", "d", "http://10.0.0.9:2380", "member c does not serve (no answer): replace or remove it first"},
		{"111", "d", "http://10.0.0.2:2380", "there is a member at http://10.0.0.2:2380 already: b"},
		{"111", "b", "http://10.0.0.9:2380", "there is a member b already, at http://10.0.0.2:2380"},
	} {
		err := store(c.pattern).MayAdd(c.name, c.url)
		if (err == nil) != (c.refused == "") || err != nil && !strings.Contains(err.Error(), c.refused) {
			t.Errorf("to %s %s is added at %s: %v, want %q", c.pattern, c.name, c.url, err, c.refused)
		}
	}
}

func TestTheStoreTellsHowManyMembersMayBeLost(t *testing.T) {
	for pattern, want := range map[string]int{"1": 0, "11": 0, "111": 1, "110": 0, "100": -1, "1111": 1, "11111": 2, "11+": 0, "111+": 1, "000": -2} {
		if got := store(pattern).MayLose(); got != want {
			t.Errorf("%s may lose %d, not %d", pattern, got, want)
		}
	}
}
