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
	})
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
	if r.MachineID != "" && (r.Global || len(r.MachineOf)+len(r.Conflicts)+len(r.Replaces) > 0) || r.Global && len(r.Replaces) > 0 {
		t.Fatalf("%s may have impossible rules %+v", n, r)
	}
}
