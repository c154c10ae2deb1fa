package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/journal"
	"fleet/unit"
)

// twoRecords is a store with two machines, of which one has a unit.
type twoRecords struct {
	endpoint string // of the machine that has it
}

const (
	asking cluster.MachineID = "aaaa0000000000000000000000000001"
	having cluster.MachineID = "bbbb0000000000000000000000000002"
)

// Follow implements api.Store.
func (s twoRecords) Follow(ctx context.Context, fn func(cluster.Update) error) error {
	session := cluster.Session{Lease: 1, BootID: "boot"}
	err := fn(cluster.Update{Reset: true, Revision: 1, Changes: []cluster.Change{
		cluster.MachineChanged{ID: asking, Machine: &cluster.Machine{ID: asking, Session: session}},
		cluster.MachineChanged{ID: having, Machine: &cluster.Machine{ID: having, Session: session, API: s.endpoint}},
		cluster.OrdersChanged{ID: having, Orders: &cluster.Orders{
			Machine: having, Session: session, Units: map[unit.Name]cluster.Order{"web.service": {Desired: cluster.Launched}},
		}},
	}})
	if err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

// UpdateUnit implements api.Store.
func (twoRecords) UpdateUnit(context.Context, unit.Name, func(*cluster.Unit) (*cluster.UnitEdit, error)) (cluster.Unit, error) {
	return cluster.Unit{}, errors.ErrUnsupported
}

// UpdateSettings implements api.Store.
func (twoRecords) UpdateSettings(context.Context, cluster.MachineID, func(cluster.Settings) (cluster.Settings, error)) (int64, error) {
	return 0, errors.ErrUnsupported
}

// Acknowledge implements api.Store.
func (twoRecords) Acknowledge(context.Context, cluster.AlarmName, time.Time) (int64, error) {
	return 0, errors.ErrUnsupported
}

// oneLine is a systemd whose journal has one entry, and then waits.
type oneLine struct{}

func (oneLine) Journal(ctx context.Context, _ unit.Name, q journal.Query, fn func([]byte) error) error {
	if q.After == "" {
		if err := fn([]byte(`{"MESSAGE":"hello","__CURSOR":"i=1","__REALTIME_TIMESTAMP":"1"}` + "\n")); err != nil || !q.Follow {
			return err
		}
	}
	if q.Follow {
		<-ctx.Done()
	}
	return ctx.Err()
}

func (oneLine) StatusText(context.Context, unit.Name, int) (string, error) {
	return "● web.service\n", nil
}

// serveMachine runs the API of a machine behind a listener, until the test ends.
func serveMachine(t *testing.T, id cluster.MachineID, s Settings, store api.Store, l net.Listener) http.Handler {
	t.Helper()
	tls, err := peerTLS(s)
	if err != nil {
		t.Fatal(err)
	}
	server := api.New(store, api.Options{Machine: id, Local: oneLine{}, PeerTLS: tls})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- server.Run(ctx) }()
	go func() {
		done <- serve(ctx, []net.Listener{l}, server.Handler(), time.Minute, slog.New(slog.DiscardHandler))
	}()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Errorf("%s ended with %v", id, err)
			}
		}
	})
	return server.Handler()
}

// between has one machine ask the other for a journal and a status; the signers are those of their certificates.
func between(t *testing.T, asker, owner, trusted *authority) (string, error) {
	t.Helper()
	owner.issue("owner", owner)
	asker.issue("asker", asker)
	settings := Settings{
		APIListen: "https://127.0.0.1:0", APICertFile: owner.path("owner.crt"), APIKeyFile: owner.path("owner.key"), APICAFile: owner.path("ca.crt"),
	}
	l, err := listenTCP(settings)
	if err != nil {
		t.Fatal(err)
	}
	store := twoRecords{"https://" + l.Addr().String()}
	serveMachine(t, having, settings, store, l)
	socket := t.TempDir() + "/sock"
	local, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	serveMachine(t, asking, Settings{APICertFile: asker.path("asker.crt"), APIKeyFile: asker.path("asker.key"), APICAFile: trusted.path("ca.crt")}, store, local)

	c, err := api.Dial("unix://"+socket, api.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var text string
	for { // until the servers have read the store
		if text, err = c.StatusText(ctx, "web.service", api.StatusOptions{}); !errors.Is(err, cluster.ErrUnavailable) || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return "", err
	}
	enough := errors.New("enough")
	err = c.Journal(ctx, "web.service", api.JournalOptions{Query: journal.Query{Lines: 1, Follow: true}}, func(item api.JournalItem) error {
		if item.Note == nil {
			text += string(item.Entry)
			return nil
		}
		text += fmt.Sprintf("%s ", item.Note.Type)
		if item.Note.Type == api.NoteLive {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		return text, err
	}
	return text, nil
}

func TestFleetdsAskEachOtherByTheirCertificates(t *testing.T) {
	ca := newAuthority(t, "ca")
	text, err := between(t, ca, ca, ca)
	if err != nil || !strings.HasPrefix(text, "● web.service\n{\"MESSAGE\":\"hello\"") || !strings.HasSuffix(text, "begin live ") {
		t.Errorf("%q, %v", text, err)
	}
}

func TestAFleetdOfAnotherAuthorityIsNeitherAskedNorAnswered(t *testing.T) {
	ours, theirs := newAuthority(t, "ca"), newAuthority(t, "ca")
	if text, err := between(t, ours, theirs, ours); err == nil || !strings.Contains(err.Error(), "certificate signed by unknown authority") {
		t.Errorf("a stranger was asked: %q, %v", text, err)
	}
	if text, err := between(t, ours, theirs, theirs); err == nil || !strings.Contains(err.Error(), "machine "+string(having)) {
		t.Errorf("a stranger was answered: %q, %v", text, err)
	}
}
