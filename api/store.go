package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"fleet/cluster"
)

// standsAlone tells whether a request is one about the store, which is answered
// also, and above all, while the store is not there.
func (s *Server) standsAlone(r *http.Request) bool {
	select {
	case <-s.ended:
		return false
	default:
	}
	path, err := segments(r)
	return err == nil && slices.ContainsFunc(prefixes, func(p []string) bool {
		return len(path) > len(p) && slices.Equal(p, path[:len(p)]) && path[len(p)] == pathStore
	})
}

// keeper is who looks after the store.
func (s *Server) keeper() (Keeper, error) {
	if s.o.Keeper == nil {
		return nil, &Error{http.StatusNotImplemented, "this server does not look after its store"}
	}
	return s.o.Keeper, nil
}

func (s *Server) getStore(w http.ResponseWriter, r *http.Request) error {
	k, err := s.keeper()
	if err != nil {
		return err
	}
	status, err := k.Status(r.Context())
	if err != nil {
		return fmt.Errorf("look at the store: %w", err)
	}
	return writeJSON(w, http.StatusOK, storeEntity(status))
}

// changing is the store that is about to be changed; one change of a server at a time, as each stands on what was looked at.
func (s *Server) changing(ctx context.Context) (k Keeper, status cluster.Store, done func(), err error) {
	if k, err = s.keeper(); err != nil {
		return nil, status, nil, err
	}
	select {
	case s.keeping <- struct{}{}:
	case <-ctx.Done():
		return nil, status, nil, s.errNotBegun()
	}
	done = func() { <-s.keeping }
	if status, err = k.Status(ctx); err != nil {
		done()
		return nil, status, nil, fmt.Errorf("look at the store: %w", err)
	}
	if !status.Embedded {
		done()
		return nil, status, nil, conflict("%v", cluster.ErrNotEmbedded)
	}
	return k, status, done, nil
}

// postMember adds a member.
func (s *Server) postMember(w http.ResponseWriter, r *http.Request) error {
	var body MemberRequest
	if err := s.decodeLimited(r, s.o.Limits.body(), &body); err != nil {
		return err
	}
	if err := checkMemberName(body.Name); err != nil {
		return err
	}
	if err := checkPeerURL(body.PeerURL); err != nil {
		return err
	}
	k, status, done, err := s.changing(r.Context())
	if err != nil {
		return err
	}
	defer done()
	if err := status.MayAdd(body.Name, body.PeerURL); err != nil {
		return conflict("%v", err)
	}
	return s.addMember(w, r, k, status, body.Name, []string{body.PeerURL})
}

// addMember adds one to the members that are in status.
func (s *Server) addMember(w http.ResponseWriter, r *http.Request, k Keeper, status cluster.Store, name string, peerURLs []string) error {
	added, err := k.Add(r.Context(), peerURLs)
	if err != nil {
		return err
	}
	s.o.Logger.Info("member of etcd added", "member", name, "id", added.ID, "peers", peerURLs)
	status.Members = append(status.Members, added)
	return writeJSON(w, http.StatusCreated, MemberAdded{StoreMember(added), initialCluster(status, name, peerURLs)})
}

// initialCluster is what the fleetd of a new member has to know; a name for everybody, as etcd wants one.
func initialCluster(s cluster.Store, name string, peerURLs []string) string {
	var parts []string
	for _, m := range s.Members {
		called := m.Name
		switch {
		case slices.Equal(m.PeerURLs, peerURLs):
			called = name
		case called == "":
			called = "member-" + m.ID
		}
		for _, u := range m.PeerURLs {
			parts = append(parts, called+"="+u)
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}

// putMember replaces a member that is lost by one without data, at its address or another.
func (s *Server) putMember(w http.ResponseWriter, r *http.Request, name string) error {
	var body MemberRequest
	if err := s.decodeOptional(r, &body); err != nil {
		return err
	}
	if body.PeerURL != "" {
		if err := checkPeerURL(body.PeerURL); err != nil {
			return err
		}
	}
	k, status, done, err := s.changing(r.Context())
	if err != nil {
		return err
	}
	defer done()
	peerURLs := []string{body.PeerURL}
	lost, found := status.NamedMember(name)
	switch {
	case body.PeerURL != "":
	case found:
		peerURLs = lost.PeerURLs
	default:
		if peerURLs = firstURLs(k.First(r.Context()), name); len(peerURLs) == 0 {
			return &Error{http.StatusNotFound, fmt.Sprintf("there is no member %s, and its peer URL is not known: give it", name)}
		}
	}
	if !found {
		if err := checkMemberName(name); err != nil {
			return err
		}
		if err := status.MayAdd(name, peerURLs[0]); err != nil {
			return conflict("%v", err)
		}
		return s.addMember(w, r, k, status, name, peerURLs)
	}
	if err := status.MayReplace(lost); err != nil {
		return conflict("%v", err)
	}
	if other, taken := status.NamedMember(peerURLs[0]); taken && other.ID != lost.ID {
		return conflict("there is a member at %s already: %s", peerURLs[0], other.Label())
	}
	if err := k.Remove(r.Context(), lost.ID); err != nil {
		return err
	}
	s.o.Logger.Info("member of etcd removed, to be replaced", "member", lost.Label(), "id", lost.ID)
	status.Members = slices.DeleteFunc(status.Members, func(m cluster.StoreMember) bool { return m.ID == lost.ID })
	if lost.Name != "" {
		name = lost.Name
	}
	return s.addMember(w, r, k, status, name, peerURLs)
}

// firstURLs are the peer URLs that a name has among the first members.
func firstURLs(first, name string) []string {
	var urls []string
	for part := range strings.SplitSeq(first, ",") {
		if called, u, _ := strings.Cut(strings.TrimSpace(part), "="); called == name && u != "" {
			urls = append(urls, u)
		}
	}
	return urls
}

func (s *Server) deleteMember(w http.ResponseWriter, r *http.Request, name string) error {
	k, status, done, err := s.changing(r.Context())
	if err != nil {
		return err
	}
	defer done()
	m, found := status.NamedMember(name)
	if !found {
		return &Error{http.StatusNotFound, fmt.Sprintf("there is no member %s of etcd", name)}
	}
	if err := status.MayRemove(m); err != nil {
		return conflict("%v", err)
	}
	if err := k.Remove(r.Context(), m.ID); err != nil {
		return err
	}
	s.o.Logger.Info("member of etcd removed", "member", m.Label(), "id", m.ID)
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func checkMemberName(name string) error {
	if name == "" || strings.ContainsAny(name, "=,/ \t\n") {
		return badRequest("name %q: expect the etcd_name of a fleetd", name)
	}
	return nil
}

func checkPeerURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Port() == "" || u.Hostname() == "" || u.Path != "" {
		return badRequest("peer URL %q: expect http://ADDRESS:PORT or https://ADDRESS:PORT", raw)
	}
	return nil
}

// postRecovery makes the member of this fleetd the only one. That is for a cluster that has lost its majority: what the others have
// written without this member would be lost, and they might go on without it.
func (s *Server) postRecovery(w http.ResponseWriter, r *http.Request) error {
	k, status, done, err := s.changing(r.Context())
	if err != nil {
		return err
	}
	defer done()
	if status.Problem == "" {
		return conflict("a majority of the members serves: there is nothing to recover; replace or remove the lost ones")
	}
	release, err := s.occupy(w, r)
	if err != nil {
		return err
	}
	defer release()
	unhurried(w)
	return s.madeAnew(w, r, k, k.Recover(r.Context()))
}

// madeAnew tells what has become of the store.
func (s *Server) madeAnew(w http.ResponseWriter, r *http.Request, k Keeper, err error) error {
	switch {
	case errors.Is(err, cluster.ErrNotEmbedded), errors.Is(err, cluster.ErrNoMember):
		return conflict("%v", err)
	case errors.Is(err, cluster.ErrNoSnapshot):
		return badRequest("%v", err)
	case err != nil:
		return err
	}
	status, err := k.Status(r.Context())
	if err != nil {
		return fmt.Errorf("look at the store: %w", err)
	}
	return writeJSON(w, http.StatusOK, storeEntity(status))
}

// getSnapshot sends everything that is stored. A snapshot that breaks off breaks the connection, and lacks the sum at its end.
func (s *Server) getSnapshot(w http.ResponseWriter, r *http.Request) error {
	k, err := s.keeper()
	if err != nil {
		return err
	}
	release, err := s.occupy(w, r)
	if err != nil {
		return err
	}
	defer release()
	from, err := k.Snapshot(r.Context())
	if err != nil {
		return err
	}
	defer from.Close()
	buffer := make([]byte, 64<<10)
	n, err := io.ReadAtLeast(from, buffer, 1) // an error that comes first is an answer
	if err != nil {
		return fmt.Errorf("take a snapshot of the store: %w: %w", cluster.ErrUnavailable, err)
	}
	w.Header().Set("Content-Type", bytesType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	control := http.NewResponseController(w)
	for err == nil {
		_ = control.SetWriteDeadline(time.Now().Add(stalled))
		if _, err := w.Write(buffer[:n]); err != nil {
			s.o.Logger.Debug("snapshot broke off", "err", err)
			return nil
		}
		n, err = from.Read(buffer)
	}
	if err != io.EOF {
		s.o.Logger.Warn("snapshot broke off", "err", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

// putSnapshot restores a snapshot. The others' state is of no interest: it would be without them.
func (s *Server) putSnapshot(w http.ResponseWriter, r *http.Request) error {
	k, _, done, err := s.changing(r.Context())
	if err != nil {
		return err
	}
	defer done()
	release, err := s.occupy(w, r)
	if err != nil {
		return err
	}
	defer release()
	unhurried(w)
	return s.madeAnew(w, r, k, k.Restore(r.Context(), unhurriedBody{r.Body, http.NewResponseController(w)}))
}

// unhurried lifts the time in which the answer has to be sent.
func unhurried(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
}

// unhurriedBody reads a large body for as long as there is more of it now and then.
type unhurriedBody struct {
	io.Reader
	control *http.ResponseController
}

func (p unhurriedBody) Read(b []byte) (int, error) {
	_ = p.control.SetReadDeadline(time.Now().Add(stalled))
	return p.Reader.Read(b)
}
