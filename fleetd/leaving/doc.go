// Package leaving has a machine's units run elsewhere before its host goes down: for a shutdown that somebody asked systemd
// for, and for a reboot that an operator asked fleet for ("fleetctl drain --reboot").
//
// # A shutdown
//
// fleet-handover.service is stopped before anything of fleet's is: it comes after fleetd, the fence, the network and the
// anchor of fleet's units (fleet-units.target), and systemd stops in the opposite order. Its ExecStop= is "fleetd handover",
// which is Ask: it connects to a socket at which fleetd listens (Leaving.Serve). fleetd looks whether systemd shuts the
// host down; if so it says in the machine's record that the machine is leaving, which the engine takes as a drain, and
// follows the records until nothing is on its way any more. What happens it writes to the connection, and closes it. Then systemd
// goes on, and stops what is left together with the host.
//
// A shutdown may be called off. As long as the machine leaves, Leaving.Run looks whether systemd still shuts the host down; if not,
// it takes back that the machine leaves, and starts the service again for the next time.
//
// # A reboot
//
// When an operator's settings drain the machine to be rebooted, in the boot that it is in, Reboot waits likewise and
// then has systemd reboot. In the next boot the drain is over.
//
// # What it does not promise
//
// Units that no other machine can take, and those that belong to the machine, stop with the host; they are named. When etcd does
// not answer, or the engine does not act, it gives up after a while, and systemd does when TimeoutStopSec= of
// fleet-handover.service is over: a shutdown is held up, never prevented. A host whose fleetd is not there hands over nothing.
package leaving
