package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"fleet/cluster"
	"fleet/unit"
)

// Explain tells why a unit is where it is, or nowhere. The error is ErrNotFound if there is no such unit.
func (c *Client) Explain(ctx context.Context, name unit.Name) (Explanation, error) {
	var out Explanation
	err := c.ask(ctx, request{method: http.MethodGet, path: unitPath(name) + "/explanation"}, nil, &out)
	return out, err
}

// Plan tells what would happen if units were submitted, asked for or destroyed. Nothing happens.
func (c *Client) Plan(ctx context.Context, units []PlanUnit) (Plan, error) {
	var out Plan
	err := c.ask(ctx, request{method: http.MethodPost, path: "plan"}, planRequest{Units: units}, &out)
	return out, err
}

// Rebalance tells which moves would reach a goal, at most limit of them; 0: as many as it takes. Nothing is moved.
func (c *Client) Rebalance(ctx context.Context, goal cluster.Goal, limit int) (Plan, error) {
	var out Plan
	err := c.ask(ctx, request{method: http.MethodPost, path: "rebalance"}, rebalanceRequest{Goal: goal, Max: limit}, &out)
	return out, err
}

// Move asks for a unit to be moved to a machine, or if that is empty to whichever is best but its present one.
// It is refused unless ifMatch is the unit's generation; 0: any.
func (c *Client) Move(ctx context.Context, name unit.Name, to cluster.MachineID, ifMatch int64) (Result, error) {
	body, err := json.Marshal(moveRequest{MachineID: to})
	if err != nil {
		return Result{}, fmt.Errorf("encode where %s is to be moved: %w", name, err)
	}
	return c.change(ctx, request{
		method: http.MethodPost, path: unitPath(name) + "/move", contentType: jsonType, body: body, ifMatch: ifMatch,
	})
}

// ask sends a body as JSON and reads the answer into out; either may be nil.
func (c *Client) ask(ctx context.Context, r request, body, out any) error {
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encode the request for %s: %w", r.path, err)
		}
		r.contentType, r.body = jsonType, raw
	}
	a, err := c.do(ctx, r)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(a.body, out); err != nil {
		return fmt.Errorf("%s: decode the answer of %s: %w", c.endpoint, r.path, err)
	}
	return nil
}
