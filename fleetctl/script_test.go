package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"fleet/cluster"
	"fleet/unit"
)

func TestMain(m *testing.M) {
	// A script waits more than it computes. The command line has the last word.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	testscript.Main(m, map[string]func(){"fleetctl": main, "fleetctl-cramped": cramped, "ssh": fakeSSH})
}

// cramped is fleetctl where no file may have more than 4096 bytes.
func cramped() {
	signal.Ignore(syscall.SIGXFSZ) // which would end it before it can tell
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 4096, Max: 4096}); err != nil {
		panic(err)
	}
	main()
}

// patience is how long a step of a script may take.
const patience = time.Minute

// TestScripts runs sessions of a user: fleetctl as a process of its own against
// a whole cluster in this one (see world). In a script there are besides
//
//	exits N fleetctl …            run it, and demand this exit code
//	shows FILE LINE               block until the file has a line with that text at its end
//	cluster await UNIT STATE      block until the unit is wanted in that state and whoever asked for it was answered
//	cluster finish UNIT           let end what is slow, and block until all that was asked of the unit is done
//	cluster want UNIT STATE       as another user
//	cluster destroy UNIT          as another user
//	cluster lose                  the machine 1111aaaa is gone
//	cluster silence               its fleetd is stopped, and its lease lives on
//	cluster draining UNIT         block until the unit is on its way off a machine that is drained, and whoever asked for it was answered
//	cluster reboot                it goes down, once nothing is left of what a drain for a reboot has leave it
//	cluster boot                  it comes up again, in another boot
//	cluster write UNIT MACHINE SECONDS TEXT
//	                              what the unit has written on 1111 or 2222, so long after the beginning of March 2026
//	cluster mute                  the machine 1111aaaa no longer serves the API to the other one
//	cluster members NAME...       these members of etcd, of a, b, c and such at a peer URL, do not serve; "foreign": they are not fleet's
//	cluster cut                   break all connections
//	cluster down, cluster up      stop fleetd, and start it again
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			d := startDaemon(env)
			env.Setenv("TCP_ENDPOINT", "http://"+forwardTCP(env, d.socket))
			env.Setenv("TZ", "UTC")
			env.Setenv("GORACE", "atexit_sleep_ms=0") // else every fleetctl takes a second to end under -race
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"shows":   shows,
			"cluster": clusterCommand,

			"terminal": onTerminal,
		},
	})
}

// startDaemon gives a script a cluster of its own, and the socket of one of its daemons.
func startDaemon(env *testscript.Env) *daemon {
	d := &daemon{world: newWorld(), socket: filepath.Join(env.WorkDir, "fleet.sock")}
	env.Defer(d.world.close)
	d.up()
	env.Defer(d.down)
	env.Values[daemonKey{}] = d
	env.Setenv("FLEETCTL_ENDPOINT", "unix://"+d.socket)
	return d
}

// forwardTCP makes the socket reachable by TCP.
func forwardTCP(env *testscript.Env, socket string) (address string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(fmt.Sprintf("listen on the loopback interface: %v", err))
	}
	env.Defer(func() { listener.Close() })
	forward := func(from, to net.Conn) {
		_, _ = io.Copy(to, from) // until either end is closed
		from.Close()
		to.Close()
	}
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("unix", socket)
			if err != nil {
				from.Close()
				continue
			}
			go forward(from, to)
			go forward(to, from)
		}
	}()
	return listener.Addr().String()
}

type daemonKey struct{}

// exits runs a command and demands its exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if neg || err != nil {
		ts.Fatalf("usage: exits N command...")
	}
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// shows waits for what a command in the background writes.
func shows(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: shows FILE LINE")
	}
	deadline := time.Now().Add(patience)
	for {
		raw, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && strings.Contains(string(raw), args[1]+"\n") {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s does not show %q, but %q (%v)", args[0], args[1], raw, err)
		}
		time.Sleep(time.Millisecond)
	}
}

func clusterCommand(ts *testscript.TestScript, _ bool, args []string) {
	d := ts.Value(daemonKey{}).(*daemon)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var name unit.Name
	if len(args) > 1 {
		name = unit.Name(args[1])
	}
	switch args[0] {
	case "await":
		ts.Check(d.world.wanted(ctx, name, args[2]))
		d.idle()
	case "finish":
		ts.Check(d.world.finish(ctx, name))
	case "want":
		ts.Check(d.world.want(ctx, name, cluster.DesiredState(args[2])))
	case "destroy":
		ts.Check(d.world.destroy(ctx, name))
	case "lose":
		ts.Check(d.world.lose(ctx))
	case "silence":
		ts.Check(d.world.silence(ctx))
	case "draining":
		ts.Check(d.world.draining(ctx, name))
		d.idle()
	case "reboot":
		ts.Check(d.world.reboot(ctx))
	case "boot":
		ts.Check(d.world.boot(ctx))
	case "write":
		seconds, err := strconv.Atoi(args[3])
		ts.Check(err)
		m := d.world.first
		if args[2] == "2222" {
			m = d.world.second
		}
		m.journal.write(name, seconds, args[4])
	case "mute":
		ts.Check(d.world.first.server.Close())
	case "members":
		d.world.members.lose(args[1:]...)
	case "cut":
		d.cut()
	case "down":
		d.down()
	case "up":
		d.up()
	default:
		ts.Fatalf("cluster %s: no such thing", args[0])
	}
}

// daemon is a fleetd as far as fleetctl can see.
type daemon struct {
	world  *world
	socket string

	mu     sync.Mutex
	server *httptest.Server // nil while it is down
	stop   func()

	changes sync.RWMutex // held for reading by every request that changes something, until it is answered
}

// serve sends the answer to a change to its last byte before it lets anybody go on.
func (d *daemon) serve(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			h.ServeHTTP(w, r)
			return
		}
		d.changes.RLock()
		defer d.changes.RUnlock()
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, r)
		maps.Copy(w.Header(), answer.Header())
		if answer.Code != http.StatusNoContent {
			w.Header().Set("Content-Length", strconv.Itoa(answer.Body.Len()))
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())       // these two fail
		_ = http.NewResponseController(w).Flush() // only if the client is gone
	})
}

// idle blocks until every change that is under way was answered.
func (d *daemon) idle() {
	d.changes.Lock()
	defer d.changes.Unlock()
}

func (d *daemon) up() {
	d.mu.Lock()
	defer d.mu.Unlock()
	handler, stop := d.world.serve("2.0.0")
	listener, err := net.Listen("unix", d.socket)
	if err != nil {
		panic(fmt.Sprintf("listen on a socket in the script's own directory: %v", err))
	}
	d.server = &httptest.Server{Listener: listener, Config: &http.Server{Handler: d.serve(handler)}}
	d.server.Start()
	d.stop = stop
}

func (d *daemon) down() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.server == nil {
		return
	}
	d.stop()
	d.server.CloseClientConnections()
	d.server.Close()
	d.server = nil
}

func (d *daemon) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.server.CloseClientConnections()
}
