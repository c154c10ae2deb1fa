package main

import (
	"errors"
	"math"
	"slices"
	"time"
)

// quantile is the smallest value that a share of all, 0 to 1, does not exceed.
func quantile(all []float64, share float64) (float64, error) {
	if len(all) == 0 {
		return 0, errors.New("a quantile of nothing")
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[max(0, int(math.Ceil(share*float64(len(sorted))))-1)], nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
