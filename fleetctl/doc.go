// Command fleetctl controls a fleet cluster through the API of one fleetd.
//
// Each verb is one file with a constructor of its cobra command; commands.go lists them. What several
// of them need is beside them: settings and the connection (app.go, settings.go,
// connect.go, tunnel.go), the user's ssh program (openssh.go), what an argument means (arguments.go; candidate.go, directory.go and resolve.go for
// files; selection.go for units that exist), the question before something that runs changes (review.go, confirm.go), sending orders and waiting for what
// comes of them (order.go, send.go, carry.go, watch.go, waiter.go), the judgement of one event (request.go,
// moving.go, milestone.go), what an export has besides unit files, and how it is written (state_file.go, staging.go), what a machine argument means (machine.go), plans and rulings in words
// (plan_text.go, verdicts.go, gain.go), standard output and the forms of what is written there (outlet.go, output.go, table.go, columns.go, screen.go),
// what lists have in common (list.go), what fleet 1 leaves in them (sieve.go), exit codes (exit.go) and where to look after a failure (hint.go, suggest.go).
//
// The texts of a command are its manual: help.go shows them, docs/fleetctl.md and
// docs/man are made of them by a test (manual_test.go), and prose.go says how they are read.
// Completion is made of their synopses (complete.go).
//
// Verbs that change something read and check all of their arguments before they
// send the first request. A verb that waits does not believe the answer to its
// request but the events that follow: it is done when the cluster says that a
// generation not older than its own was carried out, failed, or fits no machine. Nothing is polled.
//
// A request stays in force when fleetctl stops waiting, for whatever reason.
package main
