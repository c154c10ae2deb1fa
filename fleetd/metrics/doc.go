// Package metrics counts what a fleetd does, in the names that fleet 1 gave to
// it where it had any, and shows it to Prometheus.
//
// The engine, the agent, package systemd, the API and the registry know nothing of it: it hands them
// callbacks (engine.Events, agent.Events, systemd.Events, api.Options.Applied) and stands between the registry and its
// store. What is only looked at (Sources) is read when somebody asks. All of it is in a
// prometheus.Registry of this fleetd alone, so that a process may have several.
//
// Counting costs a few atomic additions for each round of the engine, step of
// the agent, call of the store and of systemd, update of the API's cache and request of it; nothing is kept per unit.
//
// docs/metrics.md lists what there is; a test compares it with what is exposed.
package metrics
