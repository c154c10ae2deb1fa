package api

import (
	"time"

	"fleet/cluster"
)

// Applied is an update of the cluster that the cache shows.
type Applied struct {
	Revision int64
	Reset    bool
	Took     time.Duration // to take it in and to tell the streams; no reader is answered meanwhile
	Dropped  bool          // it is none: the cluster is not followed, and the cache shows nothing until an update with Reset
}

// Load is what a server holds at one moment.
type Load struct {
	Following bool // the cache shows the cluster; otherwise there is nothing of what it would show

	Records  map[cluster.Kind]cluster.Size
	Machines map[cluster.MachineState]int // that are known
	Units    map[cluster.Phase]int        // by how far the last request for them has come

	Streams int // that clients follow: events, histories and journals
	Untold  int // changes of units and machines that event streams have not told yet, each stream counted for itself

	Changes, MaxChanges       int // that are remembered for streams that resume
	Happenings, MaxHappenings int // of the history

	Writes, MaxWrites int   // requests that change something, under way or waiting
	Storing           int   // changes that the store is asked for,
	MaxStoring        int   // and how many at most
	Bodies, MaxBodies int64 // bytes of bodies

	Lists    int // revisions that lists are being read at,
	ListRows int // lines of lists in an order of their own,
	Past     int // and former states of units for those
	Files    int // unit files as v1 shows them
	Peers    int // clients of other machines' fleetds
}

// Load is how much this server holds at present. It costs a look at each machine and each stream.
func (s *Server) Load() Load {
	now := Load{Machines: make(map[cluster.MachineState]int), Units: make(map[cluster.Phase]int)}
	s.streams.mu.Lock()
	for _, open := range s.streams.open {
		now.Streams += open
	}
	s.streams.mu.Unlock()

	p := s.pressure
	now.Writes, now.MaxWrites, now.Storing, now.MaxStoring = int(p.writes.Load()), s.o.Limits.Writes, int(p.storing.Load()), storeWrites
	now.Bodies, now.MaxBodies, now.Peers = p.held.Load(), p.most, s.peers.size()

	now.Following = s.demand.shows()
	c := s.cache()
	c.mu.RLock()
	defer c.mu.RUnlock()
	now.Records = c.snapshot.Sizes()
	for _, id := range allMachines(c.presentMachines(), c.awayMachines()) {
		state, _ := c.snapshot.State(id)
		now.Machines[state]++
	}
	for phase, units := range c.phases {
		now.Units[phase] = units
	}
	for l := range c.listeners {
		now.Untold += l.untold()
	}
	now.Lists, now.Past, now.ListRows = c.pasts.size()
	now.Files = c.files.size()
	now.Changes, now.MaxChanges = c.log.size, c.log.limit
	now.Happenings, now.MaxHappenings = len(c.history.items), c.history.limit
	return now
}

func (l *listener) untold() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.names) + len(l.ids)
}
