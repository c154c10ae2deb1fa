package unit

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	sdunit "github.com/coreos/go-systemd/v22/unit"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// anyText draws texts that look somewhat like unit files, and some that do not.
func anyText() *rapid.Generator[string] {
	line := rapid.OneOf(
		rapid.SampledFrom([]string{
			"[Unit]", "[Service]", "[X-Fleet]", "[Install]", "After=a.service", "After=", "Global=true", "MachineOf=%p@%i.service",
			`Conflicts="a.service" b*.service`, "MachineMetadata=disk=ssd", "# comment", " ; comment \\", `Description=one \`, `\`, "  two", "",
			"\uFEFF[Unit]", "Description=caf\xe9", `a\\`,
		}),
		rapid.String(),
	)
	ends := rapid.SampledFrom([]string{"\n", "\n", "\n", "\r\n", "\r"})
	return rapid.Custom(func(t *rapid.T) string {
		var b strings.Builder
		if rapid.Bool().Draw(t, "header") {
			b.WriteString("[Unit]\n")
		}
		for range rapid.IntRange(0, 12).Draw(t, "lines") {
			b.WriteString(line.Draw(t, "line") + ends.Draw(t, "end"))
		}
		return b.String()
	})
}

// plainOptions draws options that every reader of unit files understands alike.
func plainOptions() *rapid.Generator[[]Option] {
	value := rapid.Map(
		rapid.SliceOfN(rapid.StringMatching(`[a-zA-Z0-9/=%"'$#;][a-zA-Z0-9 /=%"'$#;\[\]]{0,20}[a-z]`), 0, 3),
		func(lines []string) string { return strings.Join(lines, " \\\n\tx") },
	)
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Option {
		return Option{
			Section: rapid.SampledFrom([]string{"Unit", "Service", "X-Fleet", "Install", "X-Other"}).Draw(t, "section"),
			Name:    rapid.StringMatching(`[A-Z][a-zA-Z-]{0,8}`).Draw(t, "name"),
			Value:   value.Draw(t, "value"),
		}
	}), 0, 10)
}

// The file is the author's, byte for byte, and its options make the same file again.
func TestParseKeepsBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		checkParse(t, []byte(anyText().Draw(t, "text")))
	})
}

func TestOptionsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		options := plainOptions().Draw(t, "options")
		f, err := FromOptions(options)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(options, f.Options()); diff != "" && len(options) > 0 {
			t.Fatalf("options changed (-given +read):\n%s", diff)
		}
	})
}

// The parser that fleet 1 used reads the same options, and fleet 1's normal
// form of a file has the hash of the file.
func TestFleet1ReadsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, err := FromOptions(plainOptions().Draw(t, "options"))
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := sdunit.DeserializeOptions(bytes.NewReader(f.Bytes()))
		if err != nil {
			t.Fatalf("fleet 1 cannot read %q: %v", f.Bytes(), err)
		}
		var read []Option
		for _, o := range theirs {
			read = append(read, Option{o.Section, o.Name, o.Value})
		}
		if !slices.Equal(read, f.Options()) {
			t.Fatalf("fleet 1 reads %q, we read %q", read, f.Options())
		}
		var normal bytes.Buffer
		if _, err := normal.ReadFrom(sdunit.Serialize(theirs)); err != nil {
			t.Fatal(err)
		}
		if got, want := f.V1Hash(), sha1Hex(normal.Bytes()); got != want {
			t.Fatalf("hash %s, fleet 1 has %s", got, want)
		}
	})
}

// Comments, blank lines, spacing and empty sections are nothing to fleet 1.
func TestV1HashIgnoresForm(t *testing.T) {
	noise := rapid.SampledFrom([]string{"", "\n", "# comment\n", " ; comment\n\n", "[Empty]\n"})
	rapid.Check(t, func(t *rapid.T) {
		f, err := FromOptions(plainOptions().Draw(t, "options"))
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, o := range f.Options() {
			b.WriteString(noise.Draw(t, "noise") + "[" + o.Section + "]\n" + noise.Filter(func(s string) bool { return s != "[Empty]\n" }).Draw(t, "noise"))
			b.WriteString("  " + o.Name + "\t=  " + o.Value + " \r\n")
		}
		g, err := Parse([]byte(b.String()))
		if err != nil {
			t.Fatalf("%v in %q", err, b.String())
		}
		if f.V1Hash() != g.V1Hash() {
			t.Fatalf("%q and %q have different hashes", f.Bytes(), b.String())
		}
	})
}

// The order of options and of sections makes a different unit; where the
// options of one section stand does not.
func TestV1HashOfOrder(t *testing.T) {
	hash := func(text string) string {
		f, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return f.V1Hash()
	}
	const known = "[Unit]\nA=1\nB=2\n\n[Service]\nC=3\n"
	if got := hash(known); got != sha1Hex([]byte(known)) {
		t.Errorf("hash of a file in normal form is %s, not its SHA-1", got)
	}
	if hash("[Unit]\nA=1\n[Service]\nC=3\n[Unit]\nB=2") != hash(known) {
		t.Error("a section in two parts changes the hash")
	}
	for _, other := range []string{
		"[Unit]\nB=2\nA=1\n[Service]\nC=3\n",
		"[Service]\nC=3\n[Unit]\nA=1\nB=2\n",
		"[Unit]\nA=1\nB=2\n[Service]\nC= 4\n",
	} {
		if hash(other) == hash(known) {
			t.Errorf("%q has the hash of %q", other, known)
		}
	}
	if got := hash("# nothing\n"); got != sha1Hex(nil) {
		t.Errorf("hash of no options is %s", got)
	}
}

// Rules do not depend on the order in which lines are written, but for the
// order of the lists themselves.
func TestRulesOfAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := []string{"MachineMetadata=a=1", "MachineMetadata=a=2", "MachineMetadata=b!=1", "MachineMetadata=c", "Conflicts=x*.service", "Conflicts=y.service", "MachineOf=z.service"}
		read := func(lines []string) Rules {
			f, err := Parse([]byte("[X-Fleet]\n" + strings.Join(lines, "\n")))
			if err != nil {
				t.Fatal(err)
			}
			r, err := f.Rules("web.service")
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range r.Metadata {
				slices.Sort(m.Values)
			}
			slices.SortFunc(r.Metadata, func(a, b Requirement) int { return strings.Compare(a.Key, b.Key) })
			slices.Sort(r.Conflicts)
			return r
		}
		if diff := cmp.Diff(read(lines), read(rapid.Permutation(lines).Draw(t, "lines"))); diff != "" {
			t.Fatal(diff)
		}
	})
}

// Lines have systemd's limits: one of the file is under 1 MiB, continued ones
// together at most that.
func TestLineLimit(t *testing.T) {
	fill := func(prefix string, length int) string { return prefix + strings.Repeat("x", length-len(prefix)) }
	for _, tc := range []struct {
		name, text string
		fits       bool
	}{
		{"longest line", fill("Description=", MaxLineLen-1), true},
		{"too long a line", fill("Description=", MaxLineLen), false},
		{"too long a comment", fill("#", MaxLineLen), false},
		{"longest continued line", fill("Description=", MaxLineLen/2) + "\\\n" + fill("", MaxLineLen/2-1), true},
		{"too long a continued line", fill("Description=", MaxLineLen/2) + "\\\n" + fill("", MaxLineLen/2), false},
	} {
		_, err := Parse([]byte("[Unit]\n" + tc.text + "\nAfter=a.service\n"))
		if (err == nil) != tc.fits {
			t.Errorf("%s: error %v, fits %v", tc.name, err, tc.fits)
		}
	}
}

// What a caller does to the bytes does not change the file.
func TestFileIsImmutable(t *testing.T) {
	raw := []byte("[Unit]\nDescription=one\n")
	f, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	want := string(raw)
	raw[0], f.Bytes()[1] = 'x', 'x'
	if got := string(f.Bytes()); got != want || f.ID() != IDOf([]byte(want)) {
		t.Errorf("file became %q with id %s", got, f.ID())
	}
}

// A list too long for the engine is one mistake, not thousands, and found at once.
func TestTooManyValues(t *testing.T) {
	var b strings.Builder
	b.WriteString("[X-Fleet]\nConflicts=")
	for i := range 50_000 {
		fmt.Fprintf(&b, "%d.path ", i)
	}
	f, err := Parse([]byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Rules("web.service")
	if err == nil || err.Error() != "line 2: [X-Fleet] Conflicts: more than 1000 values" {
		t.Errorf("error is %v", err)
	}
}
