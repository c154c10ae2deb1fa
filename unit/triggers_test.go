package unit_test

import (
	"testing"

	"fleet/unit"
)

func TestWhatAUnitTriggers(t *testing.T) {
	for _, c := range []struct{ name, text, want unit.Name }{
		{"tick.timer", "[Timer]\nOnBootSec=1s\n", "tick.service"},
		{"tick@1.timer", "[Timer]\nOnBootSec=1s\n", "tick@1.service"},
		{"tick.timer", "[Timer]\nUnit=other.target\n", "other.target"},
		{"tick@a.timer", "[Timer]\nUnit=do@%i.service\n", "do@a.service"},
		{"tick.timer", "[Timer]\nUnit=no name\n", ""},
		{"watch.path", "[Path]\nPathExists=/x\n", "watch.service"},
		{"watch.path", "[Path]\nUnit=a.service\nUnit=b.service\n", "b.service"},
		{"web.socket", "[Socket]\nListenStream=1\n", "web.service"},
		{"web.socket", "[Socket]\nListenStream=1\nService=site.service\n", "site.service"},
		{"web.socket", "[Socket]\nListenStream=1\nAccept=yes\n", ""},
		{"web.socket", "[Socket]\nListenStream=1\nAccept=no\n", "web.service"},
		{"web.service", "[Unit]\nDescription=x\n[Service]\nExecStart=/bin/true\n", ""},
	} {
		f, err := unit.Parse([]byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Triggers(c.name); got != c.want {
			t.Errorf("%s of %q triggers %q, expected %q", c.name, c.text, got, c.want)
		}
	}
}
