package etcd

import (
	"testing"
	"time"
)

// What fleetd's documentation says of agent_ttl.
func TestAMemberIsLeftWithinHalfOfTheTTL(t *testing.T) {
	for ttl, want := range map[time.Duration]time.Duration{
		0: 5 * time.Second, 4 * time.Second: 5 * time.Second, 10 * time.Second: 5 * time.Second,
		20 * time.Second: 10 * time.Second, time.Minute: 30 * time.Second, time.Hour: 30 * time.Second,
	} {
		h := hearingFor(ttl)
		if h.silence+h.patience != want || h.silence <= h.patience {
			t.Errorf("with a TTL of %s a member is asked after %s and left %s later", ttl, h.silence, h.patience)
		}
	}
}
