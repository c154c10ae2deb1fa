//go:build race

package simulation

import (
	"os"
	"runtime"
	"testing"
)

// TestMain leaves the race detector one CPU. With more of them it dies with a segmentation violation after a few hundred
// bubbles in which timers start goroutines (https://go.dev/issue/78156); and it finds races by what happened before
// what, not by running things at once.
func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1)
	os.Exit(m.Run())
}
