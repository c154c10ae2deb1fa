package api

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"fleet/cluster"
	"fleet/unit"
)

// Lay lays settings over a machine, present or not, in one write: the metadata and capacity that s
// names, what it hides, and whether the machine is cordoned. Of the capacity that reset names the
// machine's own holds again. What is not named stays as it is.
func (c *Client) Lay(ctx context.Context, s MachineSettings, reset ...string) error {
	base := "/" + string(s.MachineID)
	operations := []operation{{"add", base + "/cordoned", s.Cordoned}}
	for _, key := range slices.Sorted(maps.Keys(s.Metadata)) {
		operations = append(operations, operation{"add", base + "/metadata/" + key, s.Metadata[key]})
	}
	for _, key := range s.Hidden {
		operations = append(operations, operation{op: "remove", path: base + "/metadata/" + key})
	}
	pointer := strings.NewReplacer("~", "~0", "/", "~1") // RFC 6901
	for _, resource := range slices.Sorted(maps.Keys(s.Capacity)) {
		amount := unit.FormatAmount(resource, s.Capacity[resource])
		operations = append(operations, operation{"add", base + "/capacity/" + pointer.Replace(resource), amount})
	}
	for _, resource := range reset {
		operations = append(operations, operation{op: "remove", path: base + "/capacity/" + pointer.Replace(resource)})
	}
	return c.patch(ctx, operations)
}

// SetCordoned says of machines whether they are to be given further units.
func (c *Client) SetCordoned(ctx context.Context, cordoned bool, ids ...cluster.MachineID) error {
	return c.patchEach(ctx, "/cordoned", cordoned, ids)
}

// SetDrained says of machines whether their units are to go elsewhere.
func (c *Client) SetDrained(ctx context.Context, drained bool, ids ...cluster.MachineID) error {
	return c.patchEach(ctx, "/drain", drained, ids)
}

// DrainToReboot has a machine be drained and then rebooted. The error is an *Error of code 409 if it is not there to be.
func (c *Client) DrainToReboot(ctx context.Context, id cluster.MachineID) error {
	return c.patchEach(ctx, "/drain", "reboot", []cluster.MachineID{id})
}

// Label sets metadata of machines, and takes keys away from them.
func (c *Client) Label(ctx context.Context, set map[string]string, remove []string, ids ...cluster.MachineID) error {
	var operations []operation
	for _, id := range ids {
		base := "/" + string(id) + "/metadata/"
		for _, key := range slices.Sorted(maps.Keys(set)) {
			operations = append(operations, operation{"add", base + key, set[key]})
		}
		for _, key := range remove {
			operations = append(operations, operation{op: "remove", path: base + key})
		}
	}
	return c.patch(ctx, operations)
}

// Forget asks for what is known of a machine that is gone to be removed; the events tell when it is. The error is
// ErrNotFound if nothing is known of it, and an *Error of code 409 if it is present.
func (c *Client) Forget(ctx context.Context, id cluster.MachineID) error {
	return c.ask(ctx, request{method: http.MethodDelete, path: "machines/" + url.PathEscape(string(id))}, nil, nil)
}

// operation is one of those that PATCH machines takes.
type operation struct {
	op, path string
	value    any // nil: none
}

func (c *Client) patchEach(ctx context.Context, path string, value any, ids []cluster.MachineID) error {
	operations := make([]operation, len(ids))
	for i, id := range ids {
		operations[i] = operation{"add", "/" + string(id) + path, value}
	}
	return c.patch(ctx, operations)
}

func (c *Client) patch(ctx context.Context, operations []operation) error {
	all := make([]map[string]any, len(operations))
	for i, o := range operations {
		all[i] = map[string]any{"op": o.op, "path": o.path}
		if o.value != nil {
			all[i]["value"] = o.value
		}
	}
	return c.ask(ctx, request{method: http.MethodPatch, path: "machines"}, all, nil)
}
