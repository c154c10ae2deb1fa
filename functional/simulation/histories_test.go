package simulation

import (
	"bytes"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	number = flag.Int("histories", 200, "how many histories TestHistories makes up")
	lasts  = flag.Duration("for", 0, "make up histories for so long, however many that are")
	seed   = flag.Uint64("seed", 1, "of the first history; those after it have the numbers that follow; 0: another each time")
	replay = flag.String("replay", "", "a file with a history that TestHistories plays, instead of making some up")
	times  = flag.Int("times", 10, "how often the history of -replay is played at most until something is wrong")
	aloud  = flag.Bool("aloud", false, "tell what happened in the history that is replayed, logs included")
)

// patience is how long a shorter history is looked for that fails like a longer one.
const patience = time.Minute

func TestHistories(t *testing.T) {
	if *replay != "" {
		again(t, *replay)
		return
	}
	from, n := *seed, *number
	if from == 0 {
		from = uint64(time.Now().UnixNano() / 1e6)
	}
	if testing.Short() {
		n = min(n, 40)
	}
	var next, failed atomic.Int64
	began := time.Now()
	for i := range runtime.GOMAXPROCS(0) {
		t.Run(fmt.Sprintf("player %d", i), func(t *testing.T) {
			t.Parallel()
			for failed.Load() == 0 {
				i := next.Add(1) - 1
				if *lasts > 0 && time.Since(began) > *lasts || *lasts == 0 && i >= int64(n) {
					return
				}
				seed := from + uint64(i)
				h := imagine(seed)
				if wrong := listen(t, h, seed, unchanged); len(wrong) > 0 {
					failed.Add(1)
					report(t, h, seed, wrong)
				}
			}
		})
	}
	t.Cleanup(func() {
		t.Logf("%d histories from seed %d in %s", next.Load(), from, time.Since(began).Round(time.Second))
	})
}

func unchanged(*world) {}

// listen plays a history that nobody hears of unless something is wrong with it.
func listen(t *testing.T, h history, seed uint64, change func(*world)) (wrong []string) {
	dir := files(t)
	defer os.RemoveAll(dir)
	defer func() {
		if r := recover(); r != nil {
			t.Logf("seed %d:\n%s", seed, h)
			panic(r)
		}
	}()
	wrong, _ = play(t, h, slog.DiscardHandler, dir, change)
	return wrong
}

// files is a directory in memory, if there is such.
func files(t *testing.T) string {
	t.Helper()
	base := "/dev/shm"
	if info, err := os.Stat(base); err != nil || !info.IsDir() {
		base = ""
	}
	dir, err := os.MkdirTemp(base, "fleet-simulation-")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// report tells of a history that failed, and of a shorter one.
func report(t *testing.T, h history, seed uint64, wrong []string) {
	t.Helper()
	t.Errorf("seed %d:\n%s\nwrong:\n  %s", seed, h, strings.Join(wrong, "\n  "))
	// The order in which goroutines run is no part of a history: one that has failed may pass.
	fails := func(h history) bool {
		for range 3 {
			if found := listen(t, h, seed, unchanged); len(found) > 0 {
				wrong = found
				return true
			}
		}
		return false
	}
	short := h.shrink(time.Now().Add(patience), fails)
	if found := listen(t, short, seed, unchanged); len(found) > 0 {
		wrong = found
	}
	file := filepath.Join(os.TempDir(), fmt.Sprintf("history-%d", seed))
	if err := os.WriteFile(file, []byte(short.String()), 0o600); err != nil {
		t.Error(err)
	}
	t.Errorf("a shorter history that fails:\n%s\nwrong:\n  %s\nplay it again: go test ./functional/simulation -run '^TestHistories$' -replay %s -aloud\nor the whole of it: -seed %d -histories 1", short, strings.Join(wrong, "\n  "), file, seed)
}

// again plays a history of a file until something is wrong.
func again(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	h, err := parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	for range *times {
		dir := files(t)
		var log buffer
		wrong, told := play(t, h, slog.NewTextHandler(&log, nil), dir, unchanged)
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
		if len(wrong) == 0 {
			continue
		}
		if *aloud {
			t.Logf("%s\n%s", strings.Join(told, "\n"), log.b.String())
		}
		t.Fatalf("wrong:\n  %s", strings.Join(wrong, "\n  "))
	}
}

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// Each of these has found something that was wrong once.
func TestHistoriesOfFaultsThatWereMended(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "histories", "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			again(t, file)
		})
	}
}

// And these, which are many: each is played once.
func TestHistoriesThatFailedOnce(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "found"))
	if err != nil {
		t.Fatal(err)
	}
	for found := range strings.SplitSeq(string(text), "# seed ") {
		number, acts, ok := strings.Cut(found, "\n")
		if !ok || strings.HasPrefix(number, "#") {
			continue
		}
		t.Run(number, func(t *testing.T) {
			h, err := parse(acts)
			if err != nil {
				t.Fatal(err)
			}
			seed, _ := strconv.ParseUint(number, 10, 64)
			if wrong := listen(t, h, seed, unchanged); len(wrong) > 0 {
				t.Errorf("%s\nwrong:\n  %s", h, strings.Join(wrong, "\n  "))
			}
		})
	}
}
