package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// add is for counters of which most stay as they are.
func add(counters *prometheus.CounterVec, kind string, n int) {
	if n > 0 {
		counters.WithLabelValues(kind).Add(float64(n))
	}
}

// counterVec has a counter for each type.
func counterVec(r *prometheus.Registry, subsystem, name, help string, types ...string) *prometheus.CounterVec {
	return counterOf(r, subsystem, name, help, "type", types...)
}

// counterOf has a counter for each value of a label, all of which are there from the start: what
// has not happened yet is 0, not absent.
func counterOf[T ~string](r *prometheus.Registry, subsystem, name, help, label string, values ...T) *prometheus.CounterVec {
	counters := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "fleet", Subsystem: subsystem, Name: name, Help: help,
	}, []string{label})
	for _, v := range values {
		counters.WithLabelValues(string(v))
	}
	r.MustRegister(counters)
	return counters
}

func counter(r *prometheus.Registry, subsystem, name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: "fleet", Subsystem: subsystem, Name: name, Help: help})
	r.MustRegister(c)
	return c
}

// histogramOf has a histogram for each value of a label, of so many buckets, the least of that much, and each of four times the one before.
func histogramOf[T ~string](r *prometheus.Registry, subsystem, name, help, label string, least float64, buckets int, values ...T) *prometheus.HistogramVec {
	all := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "fleet", Subsystem: subsystem, Name: name, Help: help,
		Buckets: prometheus.ExponentialBuckets(least, 4, buckets),
	}, []string{label})
	for _, v := range values {
		all.WithLabelValues(string(v))
	}
	r.MustRegister(all)
	return all
}

// histogram has so many buckets, the least of so many seconds, and each of four times the one before.
func histogram(r *prometheus.Registry, subsystem, name, help string, least float64, buckets int) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: "fleet", Subsystem: subsystem, Name: name, Help: help,
		Buckets: prometheus.ExponentialBuckets(least, 4, buckets),
	})
	r.MustRegister(h)
	return h
}

// seconds since the epoch; 0 for no time.
func seconds(at time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return float64(at.UnixNano()) / 1e9
}
