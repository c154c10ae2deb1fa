package journal_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fleet/journal"
)

func channelOf(machine string, seconds ...int) <-chan journal.Line {
	lines := make(chan journal.Line, len(seconds))
	for _, s := range seconds {
		lines <- journal.Line{Machine: machine, At: time.Unix(int64(s), 0)}
	}
	close(lines)
	return lines
}

func TestLinesOfSeveralMachinesComeInTheOrderOfTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var channels []<-chan journal.Line
		total := 0
		for i, seconds := range rapid.SliceOfN(rapid.SliceOf(rapid.IntRange(0, 20)), 0, 5).Draw(t, "seconds") {
			slices.Sort(seconds)
			channels = append(channels, channelOf(fmt.Sprint(i), seconds...))
			total += len(seconds)
		}
		size := rapid.IntRange(0, 10).Draw(t, "size")
		tail := journal.NewTail(size)
		var all []journal.Line
		err := journal.Merge(context.Background(), channels, func(l journal.Line) error {
			all = append(all, l)
			tail.Add(l)
			return nil
		})
		if err != nil || len(all) != total {
			t.Fatalf("%d of %d lines, %v", len(all), total, err)
		}
		for i := 1; i < len(all); i++ {
			if all[i].At.Before(all[i-1].At) {
				t.Fatalf("line %d is older than the one before", i)
			}
		}
		want := all[max(0, len(all)-size):]
		if got := tail.Lines(); len(got) != len(want) || len(got) > 0 && !slices.EqualFunc(got, want, func(a, b journal.Line) bool {
			return a.Machine == b.Machine && a.At.Equal(b.At)
		}) {
			t.Fatalf("the last %d are %v, want %v", size, got, want)
		}
	})
}

func TestMergeEndsWithItsReaderAndItsContext(t *testing.T) {
	full := errors.New("full")
	if err := journal.Merge(t.Context(), []<-chan journal.Line{channelOf("a", 1)}, func(journal.Line) error { return full }); !errors.Is(err, full) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := journal.Merge(ctx, []<-chan journal.Line{make(chan journal.Line)}, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
