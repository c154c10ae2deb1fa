// Package api is both ends of fleet's wire: the HTTP handler that every fleetd
// serves, the client that fleetctl and third parties use, and the JSON between them.
package api
