// Package systemdtest has an in-memory systemd, and the contract that it and
// the real one are held to.
//
// Host is one machine's systemd together with its /run: unit files, units,
// their processes, jobs. It outlives the agent: Host.Manager returns a new
// connection with the methods of systemd.Manager, as a restarted fleetd would
// make one. It takes its time from package time, so it runs in a bubble of
// testing/synctest; it starts no goroutine that waits for anything but a
// timer. Host also plays fate: it crashes, kills processes, fills the disk,
// cuts the bus, suspends the whole host; a connection's process can be paused.
//
// # How units behave
//
// What a unit does follows from its file, read as systemd reads it. Of
// [Service] these count: Type= (oneshot, or any other), RemainAfterExit=,
// Restart= (always, on-failure), RestartSec=, TimeoutStopSec=, ExecStartPre=, ExecStart= and
// ExecStop=. Commands are known by their names: true, false, "sleep N" (in
// systemd's units of time, or infinity), programs that were put on the host
// (Host.Install), and everything else runs until it is stopped. Units of other
// types run no process: once started they are active until stopped. Of [Unit]
// ConditionPathExists= counts; the paths that exist are those of programs.
//
// A section [X-Test], which the real systemd ignores, says what no command
// does:
//
//	[X-Test]
//	StartSec=10s     every start takes so long; infinity: until Host.Release
//	StopSec=20s      every stop takes so long; likewise
//	Fail=load        systemd does not accept the file
//	Fail=start       every start fails
//	Log=some text    a line that the unit logs when started; may be repeated
//
// Not imitated: dependencies between units, what sockets, timers and paths
// trigger (see Host.Trigger), resource limits, the effects of [Install].
package systemdtest
