package unit

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

func sha1Hex(b []byte) string {
	sum := sha1.Sum(b)
	return hex.EncodeToString(sum[:])
}

// checkParse holds what is true of every text.
func checkParse(t failer, raw []byte) {
	t.Helper()
	f, err := Parse(raw)
	if err != nil {
		checkMistakes(t, err)
		return
	}
	if !bytes.Equal(f.Bytes(), raw) || f.ID() != IDOf(raw) {
		t.Fatalf("%q became %q with id %s", raw, f.Bytes(), f.ID())
	}
	options := f.Options()
	for _, o := range options {
		for _, v := range f.Values(o.Section, o.Name) {
			if v == "" || strings.ContainsAny(v, "\r\n\x00") || !utf8.ValidString(v) {
				t.Fatalf("[%s] %s has the value %q", o.Section, o.Name, v)
			}
		}
	}
	again, err := FromOptions(options)
	if err != nil {
		if !slices.ContainsFunc(options, oddEncoding) {
			t.Fatalf("options %q of %q make no file: %v", options, raw, err)
		}
		return
	}
	if !slices.Equal(again.Options(), options) || again.V1Hash() != f.V1Hash() {
		t.Fatalf("options %q became %q", options, again.Options())
	}
}

// oddEncoding finds the options that systemd takes from a file but that
// FromOptions does not write: with a byte order mark, or a name that is not UTF-8.
func oddEncoding(o Option) bool {
	return strings.Contains(o.Name+o.Value, byteOrderMark) || !utf8.ValidString(o.Name)
}

// checkMistakes: an error is made of mistakes with lines, in their order.
func checkMistakes(t failer, err error) {
	t.Helper()
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%v is a %T", err, err)
	}
	line := 1
	for _, err := range joined.Unwrap() {
		var m *SyntaxError
		if !errors.As(err, &m) || m.Line < line || m.Msg == "" {
			t.Fatalf("mistake %v after line %d", err, line)
		}
		if !utf8.ValidString(m.Error()) || strings.ContainsAny(m.Error(), "\n\x00") {
			t.Fatalf("message %q is no line of text", m.Error())
		}
		line = m.Line
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "[Unit]\nDescription=one \\\n# two\n three\nAfter=\n", "\uFEFF[Unit]\r\nA=1\\\r\n\r\n", "[Unit]\nA=x \\", "[A]\nb\n=c\n[\n",
		"[Unit]\nA\\\n=b\n\n[Service]\nC=\\\n# x \\\n\n", "[Unit]\nA=caf\xe9\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) { checkParse(t, raw) })
}

func FuzzParseName(f *testing.F) {
	for _, seed := range []string{"web@1.service", "web@.socket", "a.b@c@d.timer", "@.service", "..mount", "-.slice", "é.path"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseName(s)
		if err != nil {
			if n != "" || !utf8.ValidString(err.Error()) {
				t.Fatalf("%q: name %q, error %q", s, n, err)
			}
			return
		}
		if string(n) != s || n.Base()+"."+string(n.Type()) != s || !n.Type().Valid() || len(s) > MaxNameLen || strings.ContainsAny(s, "/\x00\n %*") {
			t.Fatalf("%q is taken for a name", s)
		}
		if Complete(s) != s {
			t.Fatalf("%q completes to %q", s, Complete(s))
		}
		if n.IsTemplate() && n.IsInstance() {
			t.Fatalf("%q is both template and instance", s)
		}
		if n.IsInstance() {
			back, err := n.Template().WithInstance(n.Instance())
			if err != nil || back != n {
				t.Fatalf("instance %q of %q is %q, %v", n.Instance(), n.Template(), back, err)
			}
		}
		if !Glob(n).Match(n) {
			t.Fatalf("%q as a pattern does not match itself", s)
		}
	})
}

func FuzzFromOptions(f *testing.F) {
	f.Add("Unit", "Description", "one \\\n two", "Service", "ExecStart", "/bin/true")
	f.Add("Unit", "A", "x \\\n# c", "Unit", "B", "y \\")
	f.Add("Unit", "A", "x\nB=1", "Un]it", "", "\\\n")
	f.Fuzz(func(t *testing.T, section1, name1, value1, section2, name2, value2 string) {
		options := []Option{{section1, name1, value1}, {section2, name2, value2}}
		file, err := FromOptions(options)
		if err != nil {
			return
		}
		got := file.Options()
		if len(got) != 2 {
			t.Fatalf("%q became %q", options, got)
		}
		for i, o := range got {
			given := options[i]
			if o.Section != given.Section || o.Name != strings.TrimSpace(given.Name) && o.Name != strings.Trim(given.Name, space) ||
				strings.TrimSpace(o.Value) != strings.TrimSpace(given.Value) {
				t.Fatalf("option %q became %q", given, o)
			}
		}
		checkParse(t, file.Bytes())
	})
}

func FuzzRules(f *testing.F) {
	f.Add("MachineOf=%p-data@%i.service\nMachineMetadata=\"a=b\" \"c!=d\" e !f\nConflicts=x*.service [ab].service")
	f.Add("Global=yes\nConflicts=\nX-Conflicts=dev\\x2d*.service\nMachineMetadata=a=b c")
	f.Add("MachineID=0123\nX-ConditionMachineID=1\nBogus=1\nReplaces=\"\x0b\"\nMachineMetadata=\x0b")
	f.Add("MemoryReserve=1.5G\nCPUReserve=150%\nDiskReserve=infinity\nReserve=gpu=1 license=0\nPreferMetadata=50:disk in (ssd, nvme) !gpu\nSpread=zone:2:required machine\n[Service]\nMemoryMax=50%\nCPUQuota=12.5%")
	f.Add("AtMostOnce=yes\nOnFence=freeze\nOnLost=replace\nReplaceAfter=1min 30s\nHandOver=stop-first\nMaxUnavailable=20%")
	f.Add("Strategy=pack\nPriority=1000\nPreempt=no\nMovable=no\nReschedule=on-failure\nMachineMetadata=\"a notin (b,c)\" \"d in (e)\"")
	f.Add("MachineMetadata=\" in(e)\"")
	f.Fuzz(func(t *testing.T, body string) {
		file, err := Parse([]byte("[X-Fleet]\n" + body))
		if err != nil {
			return
		}
		for _, n := range []Name{"web.service", "app-web@1.service", "web@.service"} {
			rules, err := file.Rules(n)
			if err != nil {
				checkMistakes(t, err)
				continue
			}
			checkRules(t, n, rules)
		}
		checkShared(t, file)
	})
}

// checkShared holds what SharedRules promises.
func checkShared(t failer, f *File) {
	t.Helper()
	if !f.SharedRules() {
		return
	}
	one, err := f.Rules("web.service")
	for _, n := range []Name{"app-web@1.service", "db.service", "a.service", "web.socket"} {
		other, otherErr := f.Rules(n)
		if n.Type() != Service {
			one.Needs, other.Needs = Needs{}, Needs{}
		}
		if diff := cmp.Diff(one, other); diff != "" || (err == nil) != (otherErr == nil) {
			t.Fatalf("rules of %s are others (errors %v, %v):\n%s", n, err, otherErr, diff)
		}
	}
}

// checkRules holds what a consumer of rules may rely on.
func checkRules(t failer, n Name, r Rules) {
	t.Helper()
	if n.IsTemplate() {
		return // may stand as written
	}
	for _, peer := range r.MachineOf {
		if _, err := ParseName(string(peer)); err != nil || peer.IsTemplate() || peer == n {
			t.Fatalf("%s is bound to %q", n, peer)
		}
	}
	for _, g := range slices.Concat(r.Conflicts, r.Replaces) {
		if err := g.check(); err != nil {
			t.Fatalf("%s has pattern %q: %v", n, g, err)
		}
	}
	seen := map[[2]string]bool{}
	for _, m := range r.Metadata {
		id := [2]string{m.Key, string(m.Op)}
		valued := m.Op == OpEqual || m.Op == OpNotEqual
		if seen[id] || m.Key == "" || valued != (len(m.Values) > 0) || m.String() == "" {
			t.Fatalf("%s has requirement %#v", n, m)
		}
		seen[id] = true
		if m.Op == OpEqual && !m.Match(map[string]string{m.Key: m.Values[0]}) {
			t.Fatalf("%v does not match its own value", m)
		}
	}
	checkNeeds(t, r.Needs)
	for _, p := range r.Prefer {
		if p.Weight < 1 || p.Weight > 1000 || p.Key == "" {
			t.Fatalf("%s prefers %#v", n, p)
		}
	}
	for _, s := range r.Spread {
		if s.MaxSkew < 1 || s.Key == "" {
			t.Fatalf("%s has spread %#v", n, s)
		}
	}
	if r.Priority < 0 || r.Priority > 1000 || r.Global && (r.Reschedule || r.Spread != nil) {
		t.Fatalf("%s may have impossible rules %+v", n, r)
	}
	if r.MachineID != "" && (r.Global || len(r.MachineOf)+len(r.Conflicts)+len(r.Replaces) > 0) || r.Global && len(r.Replaces) > 0 {
		t.Fatalf("%s may have impossible rules %+v", n, r)
	}
}

func checkNeeds(t failer, n Needs) {
	t.Helper()
	amounts := map[string]int64{Memory: n.Memory, CPU: n.CPU, Disk: n.Disk}
	for name, amount := range n.Named {
		if err := CheckResource(name); err != nil || amount == 0 {
			t.Fatalf("%d of %q: %v", amount, name, err)
		}
		amounts[name] = amount
	}
	for resource, amount := range amounts {
		if amount < 0 || amount > MaxAmount(resource) {
			t.Fatalf("%d of %s", amount, resource)
		}
	}
	if n.MemoryShare < 0 || n.MemoryShare > 10_000 || n.MemoryShare > 0 && n.Memory > 0 {
		t.Fatalf("share %d and %d of memory", n.MemoryShare, n.Memory)
	}
}

func FuzzParseAmount(f *testing.F) {
	for _, seed := range []string{"512M", "1.5G", "1G 512M", "1G5", "10.K", "+5M", "16E", "8P", "1.5", "150%", "500m", "0.0001", ".5", "-1", "9223372036854775808", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, resource := range []string{Memory, CPU, Disk, Slots, "gpu"} {
			amount, err := ParseAmount(resource, text)
			if err != nil {
				if !utf8.ValidString(err.Error()) || strings.ContainsAny(err.Error(), "\n\x00") {
					t.Fatalf("message %q is no line of text", err)
				}
				continue
			}
			if amount < 0 || amount > MaxAmount(resource) {
				t.Fatalf("%q is %d of %s", text, amount, resource)
			}
			checkFormat(t, resource, amount)
		}
	})
}

// checkFormat: an amount is said exactly, so that reading it gives it back.
func checkFormat(t failer, resource string, amount int64) {
	t.Helper()
	text := FormatAmount(resource, amount)
	if again, err := ParseAmount(resource, text); err != nil || again != amount {
		t.Fatalf("%d of %s is said as %q, which is %d (%v)", amount, resource, text, again, err)
	}
}
