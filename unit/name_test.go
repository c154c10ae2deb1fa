package unit

import (
	"strings"
	"testing"
)

func TestParseName(t *testing.T) {
	for _, tc := range []struct {
		name string
		want string // part of the error, empty if the name is valid
	}{
		{"web.service", ""},
		{"web@1.service", ""},
		{"web@.service", ""},
		{"web@a@b.service", ""},
		{"a.b.c.socket", ""},
		{`dev-disk-by\x2duuid.device`, ""},
		{"A:b-c_d.timer", ""},
		{"-.mount", ""},
		{"..service", ""},
		{"docker.slice", ""},
		{strings.Repeat("x", 247) + ".service", ""},

		{"", "unit name cannot be empty"},
		{strings.Repeat("x", 248) + ".service", "unit name exceeds maximum length (255)"},
		{"web", `unit name must contain "."`},
		{"web.", `unit name cannot end in "."`},
		{"web.conf", `invalid unit type: "conf"`},
		{"web.Service", `invalid unit type: "Service"`},
		{"web.busname", `invalid unit type: "busname"`},
		{"web.snapshot", `invalid unit type: "snapshot"`},
		{".service", `unit name needs something before ".service"`},
		{"we+b.service", "invalid character '+' in unit name"},
		{"a/b.service", "invalid character '/' in unit name"},
		{"../b.service", "invalid character '/' in unit name"},
		{"a\nb.service", `invalid character '\n' in unit name`},
		{"a b.service", "invalid character ' ' in unit name"},
		{"é.service", "invalid character 'é' in unit name"},
		{"a\xff.service", "invalid character '\uFFFD' in unit name"},
		{"a\x00.service", `invalid character '\x00' in unit name`},
		{"web.service\n", `invalid unit type: "service\n"`},
		{"@.service", `unit name cannot start in "@"`},
		{"@1.service", `unit name cannot start in "@"`},
		{"a@b.mount", `invalid unit type for template: "mount"`},
		{"a@.slice", `invalid unit type for template: "slice"`},
	} {
		got, err := ParseName(tc.name)
		switch {
		case tc.want == "" && err != nil:
			t.Errorf("%q is refused: %v", tc.name, err)
		case tc.want == "" && got != Name(tc.name):
			t.Errorf("%q became %q", tc.name, got)
		case tc.want != "" && err == nil:
			t.Errorf("%q is accepted", tc.name)
		case tc.want != "" && !strings.Contains(err.Error(), tc.want):
			t.Errorf("%q: error %q does not say %q", tc.name, err, tc.want)
		}
	}
}

func TestNameParts(t *testing.T) {
	for _, tc := range []struct {
		name                             Name
		typ                              Type
		base, prefix, instance, template string
		isTemplate, isInstance           bool
	}{
		{"web.service", Service, "web", "web", "", "", false, false},
		{"web@.service", Service, "web@", "web", "", "", true, false},
		{"web@1.service", Service, "web@1", "web", "1", "web@.service", false, true},
		{"web@1@2.socket", Socket, "web@1@2", "web", "1@2", "web@.socket", false, true},
		{"web@@.service", Service, "web@@", "web", "@", "web@.service", false, true},
		{"a.b@c.d.timer", Timer, "a.b@c.d", "a.b", "c.d", "a.b@.timer", false, true},
		{"-.mount", Mount, "-", "-", "", "", false, false},
	} {
		n := tc.name
		if n.Type() != tc.typ || n.Base() != tc.base || n.Prefix() != tc.prefix || n.Instance() != tc.instance ||
			n.Template() != Name(tc.template) || n.IsTemplate() != tc.isTemplate || n.IsInstance() != tc.isInstance {
			t.Errorf("%s: type %q, base %q, prefix %q, instance %q, template %q (%v), instance %v", n,
				n.Type(), n.Base(), n.Prefix(), n.Instance(), n.Template(), n.IsTemplate(), n.IsInstance())
		}
	}
}

func TestWithInstance(t *testing.T) {
	if got, err := Name("web@.service").WithInstance("1"); err != nil || got != "web@1.service" {
		t.Errorf("web@.service with instance 1: %q, %v", got, err)
	}
	for _, tc := range []struct {
		template Name
		instance string
	}{
		{"web.service", "1"},
		{"web@2.service", "1"},
		{"web@.service", ""},
		{"web@.service", "a/b"},
		{"web@.service", strings.Repeat("x", 250)},
	} {
		if got, err := tc.template.WithInstance(tc.instance); err == nil {
			t.Errorf("%s with instance %q is %q, want an error", tc.template, tc.instance, got)
		}
	}
}

func TestComplete(t *testing.T) {
	for arg, want := range map[string]string{
		"web":           "web.service",
		"web.service":   "web.service",
		"web@1":         "web@1.service",
		"multi.target":  "multi.target",
		"user.slice":    "user.slice",
		"x.swap":        "x.swap",
		"my.app":        "my.app.service",
		"web.service.d": "web.service.d.service",
		"":              ".service",
	} {
		if got := Complete(arg); got != want {
			t.Errorf("%q completes to %q, want %q", arg, got, want)
		}
	}
	for _, typ := range Types() {
		if arg := "x." + string(typ); Complete(arg) != arg {
			t.Errorf("%q completes to %q", arg, Complete(arg))
		}
	}
}

func TestContentID(t *testing.T) {
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	if got := IDOf(nil); got != empty {
		t.Errorf("id of nothing is %s", got)
	}
	if id, err := ParseContentID(empty); err != nil || id != empty {
		t.Errorf("%s is refused: %q, %v", empty, id, err)
	}
	for _, s := range []string{"", empty[1:], empty + "0", strings.ToUpper(empty), "../" + empty[3:]} {
		if _, err := ParseContentID(s); err == nil {
			t.Errorf("%q is accepted", s)
		}
	}
}

func TestMatchMachineID(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef"
	for rule, want := range map[string]bool{
		id:          true,
		"01234567":  true,
		"012345678": false,
		"0123456":   false,
		"":          false,
		"89abcdef":  false,
	} {
		if got := MatchMachineID(rule, id); got != want {
			t.Errorf("rule %q matches %s: %v, want %v", rule, id, got, want)
		}
	}
}

func TestExpandIsForShowing(t *testing.T) {
	for text, want := range map[string]string{
		"Web server %i": "Web server 1",
		"%p at 100%%":   "web at 100%",
		"on %H, as %i":  "on %H, as %i",
		"ends in %":     "ends in %",
		"no specifier":  "no specifier",
		"%n %N %j":      "web@1.service web@1 web",
	} {
		if got := Name("web@1.service").Expand(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{"Web server %i": "Web server %i", "%p": "web"} {
		if got := Name("web@.service").Expand(text); got != want {
			t.Errorf("%q of the template: %q, want %q", text, got, want)
		}
	}
}
