package testbed

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Every PID 1 and what it starts hold a handful of inotify instances, and all
// hosts count as one user: the kernel's default of 128 ends at some twenty hosts.
const (
	inotifyLimit  = "/proc/sys/fs/inotify/max_user_instances"
	inotifyEnough = 20 * MaxHosts
)

// raiseLimits raises what this machine's kernel allows too little of. It stays
// raised: other clusters may count on it, and nothing else notices.
func raiseLimits(progress func(string)) error {
	data, err := os.ReadFile(inotifyLimit)
	if err != nil {
		return fmt.Errorf("read limit of inotify instances: %w", err)
	}
	limit, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return fmt.Errorf("read limit of inotify instances: %w", err)
	}
	if limit >= inotifyEnough {
		return nil
	}
	progress(fmt.Sprintf("raising fs.inotify.max_user_instances from %d to %d", limit, inotifyEnough))
	if err := os.WriteFile(inotifyLimit, []byte(strconv.Itoa(inotifyEnough)), 0o644); err != nil {
		return fmt.Errorf("raise limit of inotify instances: %w", err)
	}
	return nil
}
