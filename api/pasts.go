package api

import (
	"slices"
	"sync"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// Bounds of what is kept for lists that are being read.
const (
	pastLife     = time.Minute      // how long a client may take between two pages
	pastRest     = 10 * time.Second // how long one that got no answer may take to ask for the last page again
	maxPasts     = 16
	maxKept      = 1 << 18 // states of units, in all of them together
	maxPastSorts = 8       // orders of one past
	maxKeptRows  = 1 << 20 // lines of orders, in all of them together
)

// pasts are the revisions that lists are being read at.
type pasts struct {
	mu      sync.Mutex
	all     []*past
	maxRows int
}

// hold returns the cluster at the revision that a page is asked for at, for as long as the caller reads it: that of the
// token, or if there is none, or it is no longer known, as it is now. Release has to follow.
func (c *cache) hold(t pageToken) *past {
	c.mu.RLock()
	defer c.mu.RUnlock()
	c.pasts.mu.Lock()
	defer c.pasts.mu.Unlock()
	p := c.pasts.find(func(p *past) bool { return t.ours && p.revision == t.revision })
	if p == nil {
		p = c.pasts.find(func(p *past) bool { return p.version == c.version })
	}
	if p == nil {
		p = &past{
			version: c.version, revision: c.snapshot.Revision, leader: c.snapshot.Leader,
			submitted: c.submittedNames(), reported: c.reportedNames(), present: c.presentMachines(), away: c.awayMachines(),
		}
		c.pasts.all = append(c.pasts.all, p)
	}
	p.readers++
	c.pasts.tidy(time.Now())
	return p
}

func (l *pasts) find(is func(*past) bool) *past {
	i := slices.IndexFunc(l.all, is)
	if i < 0 {
		return nil
	}
	return l.all[i]
}

// release ends what hold began. The page was answered, and there is a token for another or not; or it was not
// answered, and may be asked for again.
func (c *cache) release(p *past, t pageToken, answered, another bool) {
	c.pasts.mu.Lock()
	defer c.pasts.mu.Unlock()
	p.readers--
	now := time.Now()
	switch {
	case another && !t.ours:
		p.open++
	case answered && !another && t.ours && t.revision == p.revision:
		p.open = max(p.open-1, 0)
	}
	switch {
	case another, !answered && p.open > 0:
		p.until = now.Add(pastLife)
	case p.open == 0 && !p.until.IsZero():
		p.until = now.Add(pastRest)
	}
	c.pasts.tidy(now)
}

// keep takes note of what an update is about to replace. The caller has locked the cache.
func (c *cache) keep(u cluster.Update) {
	c.pasts.mu.Lock()
	defer c.pasts.mu.Unlock()
	c.pasts.tidy(time.Now())
	if len(c.pasts.all) == 0 {
		return
	}
	if u.Reset {
		c.pasts.keepWhole(c.snapshot)
		return
	}
	by := concernedBy(&c.snapshot, u)
	for name := range by.units {
		c.pasts.keepUnit(&c.snapshot, name)
	}
	for id := range by.machines {
		m := machineOf(&c.snapshot, id)
		for _, p := range c.pasts.all {
			p.keepMachine(id, m)
		}
	}
	for id := range by.files {
		f := fileOf(&c.snapshot, id)
		for _, p := range c.pasts.all {
			p.keepFile(id, f)
		}
	}
}

// keepWhole takes note that everything is about to be told anew: that begins with new maps, and leaves those of s alone.
func (l *pasts) keepWhole(s cluster.Snapshot) {
	for _, p := range l.all {
		if p.whole == nil {
			p.whole = &s
		}
	}
}

func (l *pasts) keepUnit(s *cluster.Snapshot, name unit.Name) {
	var st *cluster.Status // the same for all that do not have one
	for _, p := range l.all {
		if _, kept := p.units[name]; kept || p.whole != nil {
			continue
		}
		if st == nil {
			now := s.Status(name)
			st = &now
		}
		if p.units == nil {
			p.units = make(map[unit.Name]*cluster.Status)
		}
		p.units[name] = st
	}
}

// tidy forgets what nobody will ask for any more, and what is too much: first that which has not been asked for
// for longest. What is being read stays.
func (l *pasts) tidy(now time.Time) {
	kept := 0
	l.all = slices.DeleteFunc(l.all, func(p *past) bool {
		over := p.readers == 0 && !now.Before(p.until)
		if !over {
			kept += len(p.units)
		}
		return over
	})
	for len(l.all) > maxPasts || kept > maxKept {
		idle := -1
		for i, p := range l.all {
			if p.readers == 0 && (idle < 0 || p.until.Before(l.all[idle].until)) {
				idle = i
			}
		}
		if idle < 0 {
			return
		}
		kept -= len(l.all[idle].units)
		l.all = slices.Delete(l.all, idle, idle+1)
	}
}

// rows returns a list that was put in order before.
func (c *cache) rows(p *past, query string) ([]row, bool) {
	c.pasts.mu.Lock()
	defer c.pasts.mu.Unlock()
	rows, ok := p.sorted[query]
	return rows, ok
}

// keepRows keeps a list in its order for the pages that follow. What is too much for that is put in order again when
// it is asked for.
func (c *cache) keepRows(p *past, query string, rows []row) {
	c.pasts.mu.Lock()
	defer c.pasts.mu.Unlock()
	if _, known := p.sorted[query]; known {
		return
	}
	kept := len(rows)
	for _, other := range c.pasts.all {
		for _, rows := range other.sorted {
			kept += len(rows)
		}
	}
	if kept > c.pasts.maxRows {
		for _, other := range c.pasts.all {
			other.sorted = nil
		}
	}
	if p.sorted == nil || len(p.sorted) >= maxPastSorts {
		p.sorted = make(map[string][]row)
	}
	p.sorted[query] = rows
}
