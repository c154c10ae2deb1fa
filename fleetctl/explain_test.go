package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

func TestExplanationOfAUnitThatFailsEverywhere(t *testing.T) {
	now := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	e := api.Explanation{
		Unit: "web.service", DesiredState: cluster.Launched,
		Pending: &api.Pending{Waiting: true, Message: "it failed on 2 machines and is tried again later"},
		Failures: &api.Failures{
			Tries: []api.Try{
				{MachineID: "aaaa000011112222", At: now.Add(-time.Minute), Result: "exit-code", ExitStatus: 3},
				{MachineID: "bbbb000011112222", At: now.Add(-20 * time.Second), Result: "start-limit-hit"},
			},
			Next: now.Add(40 * time.Second),
		},
	}
	for i := range 12 {
		e.Verdicts = append(e.Verdicts, api.Verdict{
			MachineID: cluster.MachineID(fmt.Sprintf("%04x000011112222", 0xaaaa+i)), Rule: "Resources", Detail: fmt.Sprintf("lack %d CPU", 12-i),
			Resource: unit.CPU, Needed: 16000, Missing: int64(12-i) * 1000,
		})
	}
	e.Verdicts = append(e.Verdicts, api.Verdict{MachineID: "cccc000011112222", Here: true, Rule: "Spread", Detail: "have more than the fewest + 1"})
	var out strings.Builder
	x := explainer{w: &out, now: now, addresses: addressesIn(e)}
	x.write(e)
	want := `web.service has no machine yet: it failed on 2 machines and is tried again later

It has failed twice:
  aaaa0000...  1min 0s ago: exit-code, exit status 3
  bbbb0000...  20s ago: start-limit-hit
  It is tried again in 40s.

None of 13 machines fits:
  Resources: 12 machines have not enough CPU free
    aab50000...  1 short of the 16 it needs
    aab40000...  2 short of the 16 it needs
    aab30000...  3 short of the 16 it needs
    aab20000...  4 short of the 16 it needs
    aab10000...  5 short of the 16 it needs
    aab00000...  6 short of the 16 it needs
    aaaf0000...  7 short of the 16 it needs
    aaae0000...  8 short of the 16 it needs
    aaad0000...  9 short of the 16 it needs
    aaac0000...  10 short of the 16 it needs
    … and 2 more (--full names them)
  Spread: 1 machine has more than the fewest + 1
    cccc0000...  (it is there)
`
	if diff := gocmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestShortagesInWords(t *testing.T) {
	for _, c := range []struct {
		verdict api.Verdict
		want    string
	}{
		{api.Verdict{Resource: unit.Memory, Needed: 2 << 30, Missing: 1 << 30}, "  1G short of the 2G it needs"},
		{api.Verdict{Resource: unit.Memory, Needed: 12342046 << 10, Missing: 8147742 << 10}, "  7.77G short of the 11.8G it needs"},
		{api.Verdict{Resource: "gpu", Needed: 1, Missing: 1}, "  none of the 1 it needs is free"},
		{api.Verdict{Resource: unit.Memory, Needed: 1 << 30, Missing: 3 << 30}, "  none of the 1G it needs is free, and 2G too much is reserved already"},
		{api.Verdict{Resource: unit.Slots, Needed: 1, Missing: 1}, ""},
		{api.Verdict{Resource: unit.Slots, Needed: 3, Missing: 2}, "  2 short of the 3 it needs"},
		{api.Verdict{Rule: "Cordon"}, ""},
	} {
		if got := shortage(c.verdict); got != c.want {
			t.Errorf("%+v is %q, want %q", c.verdict, got, c.want)
		}
	}
}
