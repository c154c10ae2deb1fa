package etcd

import (
	"testing"

	"fleet/cluster"
)

// The less a file may still grow by, the less is reason enough to write it anew.
func TestWhichFilesAreWrittenAnew(t *testing.T) {
	const quota = 1000
	for _, c := range []struct {
		size, inUse int64
		want        bool
	}{
		{790, 100, false},
		{800, 401, false},
		{800, 400, true},
		{940, 480, false},
		{950, 851, false},
		{950, 849, true},
		{980, 941, false},
		{980, 939, true},
		{999, 970, false},
		{999, 969, true},
		{1100, 1080, false},
		{1100, 1070, true},
	} {
		m := cluster.StoreMember{Size: c.size, InUse: c.inUse, Quota: quota}
		if got := new(Tidier).loose(m, false); got != c.want {
			t.Errorf("%d in use of %d, of at most %d: %v", c.inUse, c.size, quota, got)
		}
	}
}
