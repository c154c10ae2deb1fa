package registry

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"fleet/cluster"
	"fleet/unit"
)

// recordOfOrders is what encoding/json is given in a test.
func recordOfOrders(o cluster.Orders) ordersRecord {
	r := ordersRecord{Format: format, Session: o.Session, Lease: o.Lease, Units: make(map[unit.Name]orderRecord)}
	for name, order := range o.Units {
		r.Units[name] = orderRecord(order)
	}
	for name, left := range o.Left {
		if r.Left == nil {
			r.Left = make(map[unit.Name]leftRecord)
		}
		r.Left[name] = leftRecord(left)
	}
	return r
}

func recordOfReport(o cluster.Report) reportRecord {
	r := reportRecord{Format: format, Session: o.Session, Orders: o.Orders, Units: make(map[unit.Name]unitReportRecord), At: o.At}
	for name, u := range o.Units {
		r.Units[name] = unitReportRecord{
			State: u.State, Content: u.Content, Generation: u.Generation, Tried: u.Tried, JobResult: u.Job, Error: u.Error, Log: u.Log,
		}
	}
	return r
}

// read reads a record as encoding/json does.
func read[T any](t complains, value []byte, format func(*T) *int) *T {
	r := new(T)
	if err := decode(value, r, format(r)); err != nil {
		t.Fatalf("%s: %v", value, err)
	}
	return r
}

type complains interface{ Fatalf(string, ...any) }

func formatOfOrders(r *ordersRecord) *int { return &r.Format }
func formatOfReport(r *reportRecord) *int { return &r.Format }

var (
	texts = rapid.OneOf(rapid.SampledFrom([]string{"", "loaded", "active", "because", `"<&>\`, "a\nb", "\xff", "é\u2028"}), rapid.String())
	times = rapid.Custom(func(t *rapid.T) time.Time {
		at := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "s"), rapid.Int64Range(0, 1e9).Draw(t, "ns"))
		if rapid.Bool().Draw(t, "none") {
			return time.Time{}
		}
		return at.In(time.FixedZone("", 3600*rapid.IntRange(-3, 3).Draw(t, "zone")))
	})
	names = rapid.SampledFrom([]unit.Name{"a.service", `a\x2db.mount`, "a@1.service", "z.timer"})
)

func TestOrdersAndReportsAreWrittenAsEncodingJSONDoesAndReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		session := cluster.Session{Lease: rapid.Int64().Draw(t, "lease"), BootID: texts.Draw(t, "boot")}
		orders := cluster.Orders{
			Session: session, Lease: time.Duration(rapid.Int64().Draw(t, "ttl")), Units: rapid.MapOf(names, rapid.Custom(drawOrder)).Draw(t, "orders"),
			Left: rapid.MapOf(names, rapid.Custom(func(t *rapid.T) cluster.Left { return cluster.Left{Unbound: rapid.Bool().Draw(t, "loose")} })).Draw(t, "left"),
		}
		report := cluster.Report{
			Session: session, Orders: rapid.Int64().Draw(t, "rev"), At: times.Draw(t, "at"),
			Units: rapid.MapOf(names, rapid.Custom(drawUnitReport)).Draw(t, "report"),
		}
		compare(t, recordOfOrders(orders), scanOrders, formatOfOrders, func() ([]byte, error) { return encodeOrders(orders) })
		compare(t, recordOfReport(report), scanReport, formatOfReport, func() ([]byte, error) { return encodeReport(report) })
	})
}

func drawOrder(t *rapid.T) cluster.Order {
	return cluster.Order{
		Content: unit.ContentID(texts.Draw(t, "content")), Desired: cluster.DesiredState(texts.Draw(t, "desired")),
		Generation: rapid.Int64().Draw(t, "generation"), Restart: rapid.Int64().Draw(t, "restart"), Move: rapid.Int64().Draw(t, "move"),
		Global: rapid.Bool().Draw(t, "global"), Reason: texts.Draw(t, "reason"), Since: times.Draw(t, "since"),
		Fence: rapid.Int64().Draw(t, "fence"), Freeze: rapid.Bool().Draw(t, "freeze"), Unbound: rapid.Bool().Draw(t, "unbound"), Takes: cluster.MachineID(texts.Draw(t, "takes")),
	}
}

func drawUnitReport(t *rapid.T) cluster.UnitReport {
	return cluster.UnitReport{
		State: unit.State{
			Load: texts.Draw(t, "load"), Active: texts.Draw(t, "active"), Sub: texts.Draw(t, "sub"), Result: texts.Draw(t, "result"),
			ExitStatus: rapid.Int32().Draw(t, "status"), Signaled: rapid.Bool().Draw(t, "signaled"), Skipped: rapid.Bool().Draw(t, "skipped"),
			MainPID: rapid.Uint32().Draw(t, "pid"), Restarts: rapid.Uint32().Draw(t, "restarts"), InvocationID: texts.Draw(t, "invocation"),
			Since: times.Draw(t, "since"), Job: texts.Draw(t, "job"),
		},
		Content: unit.ContentID(texts.Draw(t, "content")), Generation: rapid.Int64().Draw(t, "generation"), Tried: rapid.Int64().Draw(t, "tried"),
		Job: unit.JobResult(texts.Draw(t, "result")), Error: texts.Draw(t, "error"), Log: rapid.SliceOf(texts).Draw(t, "log"),
	}
}

func compare[T any](t *rapid.T, record T, scan func(Pair) *T, format func(*T) *int, encode func() ([]byte, error)) {
	want, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	got, err := encode()
	if err != nil || string(got) != string(want) {
		t.Fatalf("written is %s, %v\nexpected %s", got, err, want)
	}
	scanned := scan(Pair{Value: got})
	if scanned == nil {
		t.Fatalf("it does not read what it wrote: %s", got)
	}
	if diff := cmp.Diff(read(t, got, format), scanned); diff != "" {
		t.Fatalf("(-encoding/json +scanned):\n%s", diff)
	}
}

// What others may write is read by encoding/json, or not at all.
func TestOtherFormsAreNotScanned(t *testing.T) {
	good, err := encodeReport(sampleReport())
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`{"v":1`, `{"v":2`},
		{`{"v":1`, `{"v":01`},
		{`{"v":1,`, `{`},
		{`"tried"`, `"later"`},
		{`"tried"`, `"Tried"`},
		{`"tried":4`, `"tried":4.5`},
		{`"tried":4`, `"tried":4e0`},
		{`"tried":4`, `"tried":-`},
		{`"tried":4`, `"tried":null`},
		{`"tried":4`, `"tried":"4"`},
		{`"tried":4`, `"tried":99999999999999999999`},
		{`"mainPID":7`, `"mainPID":-7`},
		{`"mainPID":7`, `"mainPID":4294967296`},
		{`"signaled":true`, `"signaled":True`},
		{`"load":"loaded"`, `"load": "loaded"`},
		{`"load":"loaded"`, `"load":"\x"`},
		{`["a","b"]`, `["a" "b"]`},
		{`["a","b"]`, `["a",]`},
		{`2024-05-06T`, `2024-05-36T`},
	} {
		text := strings.Replace(string(good), change[0], change[1], 1)
		if text == string(good) {
			t.Fatalf("%s is not in %s", change[0], good)
		}
		if r := scanReport(Pair{Value: []byte(text)}); r != nil {
			t.Errorf("%s is read as %+v", text, r)
		}
	}
	for n := range len(good) {
		if scanReport(Pair{Value: good[:n]}) != nil {
			t.Errorf("%s is taken for whole", good[:n])
		}
	}
	if scanReport(Pair{Value: append(good, ' ')}) != nil {
		t.Error("more than a record is taken for one")
	}
}

func FuzzScan(f *testing.F) {
	o, _ := encodeOrders(sampleOrders())
	r, _ := encodeReport(sampleReport())
	f.Add(o)
	f.Add(r)
	f.Fuzz(func(t *testing.T, value []byte) {
		if o := scanOrders(Pair{Value: value}); o != nil {
			if diff := cmp.Diff(read(t, value, formatOfOrders), o, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s (-encoding/json +scanned):\n%s", value, diff)
			}
		}
		if r := scanReport(Pair{Value: value}); r != nil {
			if diff := cmp.Diff(read(t, value, formatOfReport), r, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s (-encoding/json +scanned):\n%s", value, diff)
			}
		}
	})
}

func manyReports(units int) cluster.Report {
	r := cluster.Report{Session: cluster.Session{Lease: 1 << 62, BootID: "0b4b2a6e-6a1f-4f0e-9d5c-3f1f8f0c7d11"}, Orders: 100000, At: sampleTime, Units: make(map[unit.Name]cluster.UnitReport)}
	for i := range units {
		r.Units[unit.Name(fmt.Sprintf("web@%d.service", i))] = cluster.UnitReport{
			State: unit.State{
				Load: "loaded", Active: "active", Sub: "running", Result: "success", MainPID: uint32(1000 + i),
				InvocationID: fmt.Sprintf("%032x", i), Since: sampleTime,
			},
			Content: unit.IDOf([]byte{byte(i)}), Generation: 100000, Tried: 100000, Job: unit.JobDone,
		}
	}
	return r
}

func BenchmarkReport(b *testing.B) {
	report := manyReports(100)
	value, err := encodeReport(report)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := encodeReport(report); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(value))/100, "B/unit")
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := decodeReport("m", Pair{Value: value}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
