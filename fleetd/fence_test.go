package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAFenceIsRefusedWhereItCanBeNone(t *testing.T) {
	for _, c := range []struct {
		args    []string
		environ []string
		code    int
		says    string
	}{
		{[]string{"--help"}, nil, 0, "fleet-fence.service"},
		{[]string{"--systemd-user", "--state-dir", t.TempDir(), "--api-socket", "/nowhere"}, nil, 2, "user's systemd"},
		{[]string{"--no-such-flag"}, nil, 2, "no-such-flag"},
		{nil, []string{"FLEET_NO_SUCH=1"}, 2, "FLEET_NO_SUCH"},
	} {
		stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
		if err != nil {
			t.Fatal(err)
		}
		var stdout bytes.Buffer
		code := fleetd(append([]string{"fence"}, c.args...), append(c.environ, uncheckedVariable+"=0"), &stdout, stderr)
		said, err := os.ReadFile(stderr.Name())
		if err != nil {
			t.Fatal(err)
		}
		if all := stdout.String() + string(said); code != c.code || !strings.Contains(all, c.says) {
			t.Errorf("%q %q: exit code %d, %s", c.args, c.environ, code, all)
		}
	}
}
