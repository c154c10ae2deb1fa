package api

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"

	"fleet/unit"
)

// Lay lays settings over a machine, present or not, in one write: the metadata and capacity that s
// names, what it hides, and whether the machine is cordoned. Of the capacity that reset names the
// machine's own holds again. What is not named stays as it is.
func (c *Client) Lay(ctx context.Context, s MachineSettings, reset ...string) error {
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value,omitempty"` // nil: none
	}
	base := "/" + string(s.MachineID)
	operations := []operation{{"add", base + "/cordoned", s.Cordoned}}
	for _, key := range slices.Sorted(maps.Keys(s.Metadata)) {
		operations = append(operations, operation{"add", base + "/metadata/" + key, s.Metadata[key]})
	}
	for _, key := range s.Hidden {
		operations = append(operations, operation{Op: "remove", Path: base + "/metadata/" + key})
	}
	pointer := strings.NewReplacer("~", "~0", "/", "~1") // RFC 6901
	for _, resource := range slices.Sorted(maps.Keys(s.Capacity)) {
		amount := unit.FormatAmount(resource, s.Capacity[resource])
		operations = append(operations, operation{"add", base + "/capacity/" + pointer.Replace(resource), amount})
	}
	for _, resource := range reset {
		operations = append(operations, operation{Op: "remove", Path: base + "/capacity/" + pointer.Replace(resource)})
	}
	return c.ask(ctx, request{method: http.MethodPatch, path: "machines"}, operations, nil)
}
