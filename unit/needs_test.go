package unit

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func rulesOf(t failer, n Name, lines ...string) Rules {
	t.Helper()
	f, err := Parse([]byte(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatalf("%v", err)
	}
	r, err := f.Rules(n)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return r
}

// An amount means the same wherever it is written: as systemd's limit, and as fleet's own reservation.
func TestLimitsAreReserved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		memory := FormatAmount(Memory, rapid.Int64Range(1, maxBytes).Draw(t, "memory"))
		if rapid.Bool().Draw(t, "share") {
			memory = rapid.StringMatching(`[1-9]?[0-9]\.[0-9][1-9]%`).Draw(t, "percent")
		}
		quota := rapid.StringMatching(`[1-9][0-9]{0,4}(\.[0-9]{1,2})?%`).Draw(t, "quota")
		key := rapid.SampledFrom([]string{"MemoryMax=", "MemoryHigh=", "MemoryLimit="}).Draw(t, "key")

		limited := rulesOf(t, "web.service", "[Service]", key+memory, "CPUQuota="+quota)
		reserved := rulesOf(t, "web.service", "[X-Fleet]", "MemoryReserve="+memory, "CPUReserve="+quota)
		if diff := cmp.Diff(limited, reserved); diff != "" {
			t.Fatalf("-limited +reserved:\n%s", diff)
		}
		if limited.Needs.CPU == 0 || limited.Needs.Memory == 0 && limited.Needs.MemoryShare == 0 {
			t.Fatalf("%s and %s reserve only %+v", memory, quota, limited.Needs)
		}
	})
}

// Rules that are the same for all units of a file are known to be; those that are not never are.
func TestSharedRules(t *testing.T) {
	for text, want := range map[string]bool{
		"":                                   true,
		"[Service]\nExecStart=/bin/sleep %i": true,
		"[X-Fleet]\nMemoryReserve=50%\nConflicts=a.service\nSpread=zone": true,
		"[X-Fleet]\nMachineMetadata=a=%i":                                false,
		"[X-Fleet]\nPreferMetadata=a=%i":                                 false,
		"[X-Fleet]\nMachineOf=a.service":                                 false,
		"[X-Fleet]\nX-ConditionMachineOf=a.service":                      false,
	} {
		f, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if f.SharedRules() != want {
			t.Errorf("%q has shared rules: %v", text, !want)
		}
	}
}

// Whoever adds a key tells people about it.
func TestKeysAreDocumented(t *testing.T) {
	manual, err := os.ReadFile("../docs/unit-files.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if !k.hidden && !strings.Contains(string(manual), "| `"+k.name+"=` |") {
			t.Errorf("docs/unit-files.md has no entry for %s=", k.name)
		}
	}
}
