package fence

import (
	"time"

	"fleet/cluster"
)

// Times are the times of a fence that guards a lease of this TTL. A tenth of the TTL is left over: for clocks that
// do not run alike, and for the moments that systemd and the kernel take to do what they are told.
func Times(ttl time.Duration) cluster.Fence {
	return cluster.Fence{TTL: ttl, Renewal: ttl / 5, Watchdog: ttl / 2, Kill: ttl / 5}
}

// period is the time from one renewal to the next, whatever became of the ones before.
func period(f cluster.Fence) time.Duration { return f.TTL / 10 }

// margin is by how much the fence is earlier than it has to be, so that it is not systemd's watchdog
// that ends it when all that is wrong is the network.
func margin(f cluster.Fence) time.Duration { return f.TTL / 50 }

// tolerance is how much later than it should a word to systemd may have been sent, and still be made up for by what is left over.
func tolerance(f cluster.Fence) time.Duration { return f.TTL / 20 }
