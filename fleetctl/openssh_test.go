package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fleet/api"
)

func TestTunnelHost(t *testing.T) {
	for text, want := range map[string]sshHost{
		"gate":                {name: "gate"},
		"gate:2022":           {name: "gate", port: 2022},
		"me@gate:2022":        {user: "me", name: "gate", port: 2022},
		"a@b@gate":            {user: "a@b", name: "gate"},
		"2001:db8::1":         {name: "2001:db8::1"},
		"[2001:db8::1]":       {name: "2001:db8::1"},
		"me@[2001:db8::1]:23": {user: "me", name: "2001:db8::1", port: 23},
	} {
		if got, err := (&openSSH{tunnel: text}).tunnelHost(); err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "gate:", "gate:ssh", "gate:0", "gate:65536", "[::1", "[]:22", "me@", "-oProxyCommand=id", "me@-x"} {
		if got, err := (&openSSH{tunnel: text}).tunnelHost(); err == nil {
			t.Errorf("%q was taken as %+v", text, got)
		}
	}
}

// TestShellQuote asks a shell.
func TestShellQuote(t *testing.T) {
	for _, word := range []string{"", "plain-1.2/x=y", "two words", "it's", `$HOME "\n"` + "`id`", "*", "~", "a\nb", "ü", "%h", "!", "-n"} {
		out, err := exec.Command("/bin/sh", "-c", "printf %s "+shellQuote(word)).Output()
		if err != nil || string(out) != word {
			t.Errorf("%q: the shell read %q (%v) from %s", word, out, err, shellQuote(word))
		}
	}
}

// TestMachineCannotPassOptions: a machine says of itself where it is; ssh must not take that for an option.
func TestMachineCannotPassOptions(t *testing.T) {
	args, err := (&openSSH{}).toMachine(sshHost{name: "-oProxyCommand=id"})
	if err != nil || strings.Join(args, " ") != "-- -oProxyCommand=id" {
		t.Errorf("ssh gets %q, %v", args, err)
	}
}

// sshServer is OpenSSH's own server, with an agent that has a key for it.
type sshServer struct {
	port       int
	knownHosts string
}

// startSSHServer runs one on this host, whose logins find fleetctl in path.
func startSSHServer(t *testing.T, path string) sshServer {
	t.Helper()
	sshd, err := exec.LookPath("sshd")
	if err != nil {
		if sshd, err = exec.LookPath("/usr/sbin/sshd"); err != nil {
			t.Skip("OpenSSH's server is not installed (package openssh-server)")
		}
	}
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, key := range []string{"host", "user"} {
		run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", in(key))
	}
	if os.Geteuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // what its service would make
			t.Fatal(err)
		}
	}
	port := freePort(t)
	config := fmt.Sprintf(`ListenAddress 127.0.0.1:%d
HostKey %s
AuthorizedKeysFile %s
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
SetEnv PATH=%s
`, port, in("host"), in("user.pub"), path)
	if err := os.WriteFile(in("config"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, sshd, "-D", "-e", "-f", in("config"))
	start(t, "ssh-agent", "-D", "-a", in("agent"))
	awaitDial(t, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	awaitDial(t, "unix", in("agent"))
	t.Setenv("SSH_AUTH_SOCK", in("agent"))
	run(t, "ssh-add", "-q", in("user"))
	public, err := os.ReadFile(in("host.pub"))
	if err != nil {
		t.Fatal(err)
	}
	s := sshServer{port: port, knownHosts: in("known hosts")}
	if err := os.WriteFile(s.knownHosts, []byte(fmt.Sprintf("[127.0.0.1]:%d %s", port, public)), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestOpenSSH is a tunnel and logins through the real ssh and sshd.
func TestOpenSSH(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts an ssh server")
	}
	bin := t.TempDir()
	program, err := exec.LookPath("fleetctl") // that of the scripts
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(program, filepath.Join(bin, "fleetctl")); err != nil {
		t.Fatal(err)
	}
	// The ssh of the scripts comes first in PATH.
	var path []string
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if !strings.HasPrefix(filepath.Base(filepath.Dir(dir)), "testscript-main") {
			path = append(path, dir)
		}
	}
	t.Setenv("PATH", strings.Join(path, ":"))
	s := startSSHServer(t, bin+":/usr/bin:/bin")
	d := &daemon{world: newWorld(), socket: filepath.Join(t.TempDir(), "fleet.sock")}
	t.Cleanup(d.world.close)
	d.up()
	t.Cleanup(d.down)

	fleetctl := func(args ...string) (stdout, stderr string, code exitCode) {
		var out, err bytes.Buffer
		a := &app{stdin: strings.NewReader(""), stdout: &out, stderr: &err, getenv: func(string) string { return "" }}
		args = append([]string{"--endpoint=unix://" + d.socket, "--known-hosts-file=" + s.knownHosts}, args...)
		code = a.run(context.Background(), args)
		return out.String(), err.String(), code
	}
	tunnel := fmt.Sprintf("--tunnel=127.0.0.1:%d", s.port)
	out, problems, code := fleetctl(tunnel, "list-machines", "--no-legend")
	if code != exitOK || !strings.Contains(out, "1111aaaa") {
		t.Errorf("list-machines through the tunnel: exit code %d, stdout %q, stderr %q", code, out, problems)
	}
	if _, problems, code = fleetctl(tunnel, "--strict-host-key-checking", "--known-hosts-file=/dev/null", "list-machines"); code != exitUnreachable || !strings.Contains(problems, "Host key verification failed") {
		t.Errorf("a host whose key is not known: exit code %d, stderr %q", code, problems)
	}
	if out, problems, code = fleetctl(tunnel, "--strict-host-key-checking=false", "--known-hosts-file=/dev/null", "list-units"); code != exitOK {
		t.Errorf("a host whose key is not checked: exit code %d, stdout %q, stderr %q", code, out, problems)
	}

	here := api.Machine{PrimaryIP: "127.0.0.1"}
	for _, by := range []string{"", fmt.Sprintf("127.0.0.1:%d", s.port)} {
		var shown bytes.Buffer
		a := &app{stdin: strings.NewReader("from stdin"), stdout: &shown, stderr: &shown, getenv: func(string) string { return "" }}
		a.openSSH = openSSH{knownHosts: s.knownHosts, tunnel: by}
		err := a.sshTo(context.Background(), here, s.port, []string{"sh", "-c", `printf '%s|' "$@"; cat; exit 3`, "sh", "two words", "$HOME", "it's"})
		var f *fault
		if !errors.As(err, &f) || f.code != 3 || shown.String() != "two words|$HOME|it's|from stdin" {
			t.Errorf("a program by ssh (tunnel %q): %v, and %q", by, err, shown.String())
		}
	}
}

func run(t *testing.T, program string, args ...string) {
	t.Helper()
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
}

// start runs a program until the test ends.
func start(t *testing.T, program string, args ...string) {
	t.Helper()
	var log bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", program, err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", program, &log)
		}
	})
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// awaitDial waits until a program listens; there is nothing but trying to learn it from.
func awaitDial(t *testing.T, network, address string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		c, err := net.Dial(network, address)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("nobody listens: %v", err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestTerminalOfACommand: a command gets a terminal if it can have one at both ends; what goes to a
// file must not pass through one.
func TestTerminalOfACommand(t *testing.T) {
	_, terminal := terminalPair(t)
	for _, c := range []struct {
		name    string
		stdout  io.Writer
		command string
		want    string
	}{
		{"a command on a terminal", terminal, "true", "ssh -t -- 10.0.0.1 true\n"},
		{"a command whose output goes elsewhere", io.Discard, "true", "ssh -- 10.0.0.1 true\n"},
		{"a shell", terminal, "", "ssh -- 10.0.0.1\n"},
	} {
		log := filepath.Join(t.TempDir(), "log")
		t.Setenv("SSH_LOG", log)
		a := &app{stdin: terminal, stdout: c.stdout, stderr: io.Discard}
		_ = a.sshShell(t.Context(), api.Machine{PrimaryIP: "10.0.0.1"}, sshCall{command: c.command})
		if got, err := os.ReadFile(log); err != nil || string(got) != c.want {
			t.Errorf("%s: %q, %v; want %q", c.name, got, err, c.want)
		}
	}
}

// TestInterruptedProgram: whoever stops fleetctl stops what it runs.
func TestInterruptedProgram(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	in, out := io.Pipe()
	a := &app{stdin: strings.NewReader(""), stdout: out, stderr: io.Discard}
	go func() {
		_, _ = in.Read(make([]byte, 1)) // it runs
		cancel()
		_, _ = io.Copy(io.Discard, in)
	}()
	var f *fault
	if err := a.runHere(ctx, "sh", "-c", "echo; exec sleep 60"); !errors.As(err, &f) || f.code != 128+15 {
		t.Errorf("it ended with %v", err)
	}
}

// TestForwardHalfClosed: who has sent all that there is to send still gets the answer.
func TestForwardHalfClosed(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		asked, _ := io.ReadAll(c) // until the other side has said that this is all
		fmt.Fprintf(c, "you said %s", asked)
	}()
	var answer bytes.Buffer
	if err := fdForward(socket, strings.NewReader("hello"), &answer); err != nil || answer.String() != "you said hello" {
		t.Errorf("%q, %v", answer.String(), err)
	}
}
