package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"fleet/cluster"
	"fleet/journal"
	"fleet/unit"
)

// Local is what the server needs of its machine's systemd.
type Local interface {
	// Journal hands fn the entries about a unit as lines of JSON, until there are no more; with
	// q.Follow until ctx ends. An error of fn ends it.
	Journal(ctx context.Context, name unit.Name, q journal.Query, fn func(line []byte) error) error
	// StatusText is what systemctl status says of a unit.
	StatusText(ctx context.Context, name unit.Name, lines int) (string, error)
}

const (
	// peerConnect is how long it may take to reach another machine's fleetd, and peerAnswer
	// until that begins to answer.
	peerConnect = 5 * time.Second
	peerAnswer  = 10 * time.Second

	// maxPeers is how many clients are kept, which have no connections while nobody asks. What is under way goes on without.
	maxPeers = 1 << 14

	// forwardedHeader marks a request that another fleetd makes, and names its machine. It is answered from this machine
	// or not at all: no request goes through more than two fleetds.
	forwardedHeader = "Fleet-Forwarded"
)

// peers are the clients of other machines' fleetds, by URL.
type peers struct {
	mu      sync.Mutex
	clients map[string]*Client
}

func (p *peers) get(endpoint string, o ClientOptions) (*Client, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.clients[endpoint]; c != nil {
		return c, nil
	}
	c, err := Dial(endpoint, o)
	if err != nil {
		return nil, err
	}
	if len(p.clients) >= maxPeers { // of machines that are gone, or were elsewhere
		for _, c := range p.clients {
			c.Close()
		}
		clear(p.clients)
	}
	if p.clients == nil {
		p.clients = make(map[string]*Client)
	}
	p.clients[endpoint] = c
	return c, nil
}

// close gives up the connections. Clients are made anew if they are needed nevertheless.
func (p *peers) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.clients {
		c.Close()
	}
	clear(p.clients)
}

// systemdOf returns who answers for the systemd of a machine. The error is for people, and names the machine.
func (s *Server) systemdOf(id cluster.MachineID) (Local, error) {
	if id == s.o.Machine {
		return s.o.Local, nil
	}
	var (
		machine cluster.Machine
		present bool
	)
	s.cache().read(func(v view) { machine, present = v.Machine(id) })
	switch {
	case !present:
		return nil, fmt.Errorf("machine %s is not there: what its units wrote is in its own journal", id)
	case machine.API == "":
		return nil, fmt.Errorf("machine %s serves no API over TCP: set api_listen, api_certfile, api_keyfile and api_cafile in its /etc/fleet/fleet.conf (docs/fleetd.md, Other machines)", id)
	case !strings.HasPrefix(machine.API, "https://") && !strings.HasPrefix(machine.API, "http://"):
		return nil, fmt.Errorf("machine %s announces its API at %q: expect http:// or https:// there", id, machine.API)
	case strings.HasPrefix(machine.API, "https:") && s.o.PeerTLS == nil:
		return nil, fmt.Errorf("machine %s cannot be asked: the fleetd that you talk to has no certificate to show it; set api_certfile, api_keyfile and api_cafile there (docs/fleetd.md, Other machines)", id)
	}
	client, err := s.peers.get(machine.API, ClientOptions{
		TLS: s.o.PeerTLS, UserAgent: serverName + s.o.Version, Timeout: peerAnswer, Log: s.o.Logger, peer: string(s.o.Machine),
	})
	if err != nil {
		return nil, fmt.Errorf("machine %s cannot be asked: %w", id, err)
	}
	return peer{id, client}, nil
}

// peer is another machine's fleetd.
type peer struct {
	id     cluster.MachineID
	client *Client
}

// Journal implements Local.
func (p peer) Journal(ctx context.Context, name unit.Name, q journal.Query, fn func([]byte) error) error {
	o := JournalOptions{Query: q, Machine: p.id}
	err := p.client.Journal(ctx, name, o, func(item JournalItem) error {
		if item.Note == nil {
			return fn(item.Entry)
		}
		if item.Note.Type == NoteError {
			return fmt.Errorf("%s", item.Note.Error)
		}
		return nil
	})
	return p.failed(err)
}

// StatusText implements Local.
func (p peer) StatusText(ctx context.Context, name unit.Name, lines int) (string, error) {
	text, err := p.client.StatusText(ctx, name, StatusOptions{Machine: p.id, Lines: lines})
	return text, p.failed(err)
}

func (p peer) failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("machine %s: %w", p.id, err)
}

// aboutSystemd tells whether a request about what systemd says is another fleetd's; such a request has to be
// about this machine.
func (s *Server) aboutSystemd(r *http.Request, query url.Values) (forwarded bool, err error) {
	if s.o.Local == nil {
		return false, &Error{http.StatusNotImplemented, "this server does not speak with the systemd of its machine"}
	}
	if r.Header.Get(forwardedHeader) == "" {
		return false, nil
	}
	if id := query.Get("machineID"); id != string(s.o.Machine) {
		return true, &Error{http.StatusMisdirectedRequest, fmt.Sprintf("this is machine %s, not %s: is api_advertise of the latter right?", s.o.Machine, id)}
	}
	return true, nil
}
