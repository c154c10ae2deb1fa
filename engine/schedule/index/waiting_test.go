package index

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestWaitingFindsWhatAScanFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := NewWaiting()
		needs := map[int32]Vector{}
		ids := rapid.Int32Range(0, 600)
		put := func(id int32, need Vector) {
			w.Put(id, &need)
			needs[id] = need
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				put(ids.Draw(t, "id"), vectors.Draw(t, "need"))
			},
			"drop": func(t *rapid.T) {
				id := ids.Draw(t, "id")
				w.Drop(id)
				delete(needs, id)
			},
			"put many": func(t *rapid.T) {
				chance := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
				for range rapid.IntRange(1, 400).Draw(t, "many") {
					put(chance.Int32N(600), Vector{chance.Int64N(5), chance.Int64N(5000)})
				}
			},
			"": func(t *rapid.T) {
				w.tree.check(t)
				checkWaiting(t, w, needs, vectors.Draw(t, "free"))
			},
		})
	})
}

func checkWaiting(t *rapid.T, w *Waiting, needs map[int32]Vector, free Vector) {
	if w.Len() != len(needs) {
		t.Fatalf("%d wait, want %d", w.Len(), len(needs))
	}
	var got, want []int32
	w.Fitting(&free, func(id int32) bool {
		got = append(got, id)
		return true
	})
	for id, need := range needs {
		if !w.Has(id) {
			t.Fatalf("%d does not wait", id)
		}
		if fits(&need, &free) {
			want = append(want, id)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("into %v fit %v, want %v", free, got, want)
	}
}

func TestFittingStopsWhenTold(t *testing.T) {
	w := NewWaiting()
	for id := range int32(100) {
		w.Put(id, &Vector{1})
	}
	var got []int32
	w.Fitting(&Vector{1}, func(id int32) bool {
		got = append(got, id)
		return len(got) < 3
	})
	if !slices.Equal(got, []int32{0, 1, 2}) {
		t.Fatalf("yielded %v, want the first three", got)
	}
}
