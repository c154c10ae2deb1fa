// Package cluster is the vocabulary of fleet: machines and their sessions,
// units and what is wanted of them, the orders a machine is given and the
// report it gives back, and the one pure function that joins them.
//
// # Who writes what
//
// Every record has exactly one kind of writer. Each role reads the record
// before it and writes the next one:
//
//	user  --API-->     Unit, Settings   what is wanted
//	agent -------->    Machine          who is there, under which session
//	engine ------->    Orders, Pending  what each machine has to run, and why not
//	engine ------->    Failures         where a unit has failed that is to be tried elsewhere
//	agent -------->    Report           what each machine's systemd says
//	anyone ------->    Snapshot.Status  the join, computed by the reader, never stored
//
// # Sessions
//
// A Session is a lease together with a boot id: one uninterrupted presence of
// one machine. Orders are addressed to a session. An agent starts and stops
// units only because of orders addressed to its present session; whatever it
// does not know it leaves alone.
//
// # Generations
//
// A unit's Generation grows with everything a user asks of it, and never goes
// backwards, not even when a unit is destroyed and submitted anew: a new
// record begins above the store's revision at that moment. Orders carry the
// generation they express and reports the generation that was acted on, so
// "has my request been carried out" is a comparison of two numbers.
//
// # What this package does not do
//
// It does no I/O, reads no clock and decides nothing. Values are passed by
// value; a Snapshot is owned by one goroutine, or guarded by its owner.
package cluster
