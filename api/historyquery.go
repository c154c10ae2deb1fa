package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"fleet/cluster"
)

// historyQuery is what a request asks of the history.
type historyQuery struct {
	happeningSelection
	since  moment
	limit  int // the newest so many; negative: all
	follow bool
}

func (s *Server) getHistory(w http.ResponseWriter, r *http.Request) error {
	query, err := parameters(r)
	if err != nil {
		return err
	}
	q, err := readHistoryQuery(query)
	if err != nil {
		return err
	}
	s.awaitRevision(r.Context(), q.since.revision)
	if !q.follow {
		page := HistoryPage{Events: []Happening{}}
		happened, _ := s.cache().recall(q)
		page.Events = append(page.Events, happened...)
		return show(w, r, 0, page)
	}
	return s.stream(w, r, func(ctx context.Context, out *stream) error { return s.tellHistory(ctx, out, q) })
}

func readHistoryQuery(query url.Values) (historyQuery, error) {
	q := historyQuery{limit: -1}
	var err error
	if q.units, err = selectedUnits(query); err != nil {
		return q, err
	}
	for _, id := range query["machineID"] {
		if !wholeMachineID.MatchString(id) {
			return q, badRequest("parameter machineID: invalid machine id %q", id)
		}
		q.machines = append(q.machines, cluster.MachineID(id))
	}
	if q.since, err = readMoment(query.Get("since")); err != nil {
		return q, badRequest("parameter since: %v", err)
	}
	if text := query.Get("limit"); text != "" {
		if q.limit, err = strconv.Atoi(text); err != nil || q.limit < 0 {
			return q, badRequest("parameter limit: %q: expect a number of happenings", text)
		}
	}
	if q.follow, err = boolParameter(query.Get("follow"), false); err != nil {
		return q, badRequest("parameter follow: %v", err)
	}
	return q, nil
}

func readMoment(s string) (moment, error) {
	if revision, err := revisionParameter(s); err == nil {
		return moment{revision: revision}, nil
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return moment{}, fmt.Errorf("%q is neither a revision nor a time such as 2026-03-01T12:00:00Z", s)
	}
	return moment{time: at}, nil
}

// recall returns what a reader is told at first, and the number of the happening that comes next.
func (c *cache) recall(q historyQuery) (happened []Happening, next int64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	happened = c.history.from(c.history.behind(q.since), q.happeningSelection)
	if q.limit >= 0 && len(happened) > q.limit {
		happened = happened[len(happened)-q.limit:]
	}
	switch {
	case q.since.revision > c.snapshot.Revision:
		happened = slices.Insert(happened, 0, gap("this server has not seen the revision yet that was asked for"))
	case !q.since.remembered(&c.history):
		happened = slices.Insert(happened, 0, gap("this server does not remember everything since then: it does from "+
			c.history.begun.Format(time.RFC3339)+" on, revision "+strconv.FormatInt(c.history.floor, 10)))
	}
	return happened, c.history.end()
}

// happenedFrom returns what is selected of everything from a number on. When that is all, everything up to
// revision has been told; news is closed when there may be more.
func (c *cache) happenedFrom(number int64, sel happeningSelection) (happened []Happening, next, revision int64, news <-chan struct{}) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.history.from(number, sel), c.history.end(), c.snapshot.Revision, c.advanced
}

func (s *Server) tellHistory(ctx context.Context, out *stream, q historyQuery) error {
	happened, next := s.cache().recall(q)
	ping := time.NewTicker(pingInterval)
	defer ping.Stop()
	end := func(why string) error {
		return sendLines(out, []Happening{{Type: HappeningEnd, Message: why}})
	}
	if err := out.open(); err != nil {
		return err
	}
	for {
		if err := sendLines(out, happened); err != nil {
			return err
		}
		var revision int64
		var news <-chan struct{}
		if happened, next, revision, news = s.cache().happenedFrom(next, q.happeningSelection); len(happened) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return end(shuttingDown)
		case <-s.ended:
			return end(shuttingDown)
		case <-ping.C:
			if err := s.ready(); err != nil {
				return end(err.Error())
			}
			happened = []Happening{{Type: HappeningPing, Revision: revision}}
		case <-news:
		}
	}
}
