package metrics

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"fleet/cluster"
	"fleet/registry"
)

// operation is one of the kinds of calls that fleet 1 knew.
type operation struct {
	count    prometheus.Counter
	failed   prometheus.Counter
	duration prometheus.Observer
}

type storeMetrics struct {
	get, set, getAll operation

	written *prometheus.CounterVec
	sizes   map[cluster.Kind]prometheus.Observer // of the records that grow with the units of a machine
	lag     *lag
}

func newStoreMetrics(r *prometheus.Registry) storeMetrics {
	kinds := []string{"get", "set", "get_all"}
	count := counterVec(r, "registry", "operation_count_total",
		"Calls of this fleetd to etcd: one record read, a transaction, many records read. Leases and watches are not counted.", kinds...)
	failed := counterVec(r, "registry", "operation_failed_count_total",
		"Those of them that etcd refused or did not answer in time. That something is not there is an answer.", kinds...)
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "fleet", Subsystem: "registry", Name: "operation_duration_second",
		Help:    "How long calls to etcd took.",
		Buckets: prometheus.ExponentialBuckets(0.0005, 4, 8),
	}, []string{"ops"})
	r.MustRegister(duration)
	of := func(kind string) operation {
		return operation{count.WithLabelValues(kind), failed.WithLabelValues(kind), duration.WithLabelValues(kind)}
	}
	m := storeMetrics{get: of("get"), set: of("set"), getAll: of("get_all"), lag: newLag(r), sizes: make(map[cluster.Kind]prometheus.Observer)}
	m.written = counterOf(r, "registry", "records_written_total", "Records that this fleetd has written, by kind.", "kind", registry.Kinds()...)
	large := []cluster.Kind{cluster.KindOrders, cluster.KindReport}
	sizes := histogramOf(r, "registry", "record_size_bytes", "The size of orders and reports that this fleetd has written.", "kind", 256, 7, large...)
	for _, kind := range large {
		m.sizes[kind] = sizes.WithLabelValues(string(kind))
	}
	return m
}

// wrote counts what a transaction has written.
func (m *storeMetrics) wrote(ops []registry.Op, revision int64) {
	told := false // to everybody who follows the records
	for _, op := range ops {
		kind := registry.KindOf(op.Key)
		if op.Kind != registry.OpPut || kind == "" {
			continue
		}
		m.written.WithLabelValues(string(kind)).Inc()
		if size, ok := m.sizes[kind]; ok {
			size.Observe(float64(len(op.Value)))
		}
		told = told || kind != registry.KindElection
	}
	if told {
		m.lag.wrote(revision)
	}
}

func (o operation) ended(ctx context.Context, began time.Time, err error) {
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return // nobody waited for the answer
	}
	o.count.Inc()
	o.duration.Observe(time.Since(began).Seconds())
	if err != nil {
		o.failed.Inc()
	}
}

// Store is s with its reads and transactions counted.
func (m *Metrics) Store(s registry.Store) registry.Store { return counted{s, &m.store} }

type counted struct {
	registry.Store
	m *storeMetrics
}

// Range implements registry.Store.
func (c counted) Range(ctx context.Context, q registry.Query) (registry.Page, error) {
	op := c.m.get
	if q.Prefix {
		op = c.m.getAll
	}
	began := time.Now()
	page, err := c.Store.Range(ctx, q)
	op.ended(ctx, began, err)
	return page, err
}

// Txn implements registry.Store.
func (c counted) Txn(ctx context.Context, t registry.Txn) (registry.Outcome, error) {
	began := time.Now()
	out, err := c.Store.Txn(ctx, t)
	of := c.m.get
	if t.Writes() {
		of = c.m.set
	}
	of.ended(ctx, began, err)
	if err == nil && out.Succeeded {
		c.m.wrote(t.Then, out.Revision)
	}
	return out, err
}
