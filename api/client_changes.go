package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"unicode/utf8"

	"fleet/cluster"
	"fleet/unit"
)

// Change is one request about one unit, to be sent with others. With a File
// it submits or replaces, with Desired it says what is wanted, or both; Restart and Destroy stand alone.
type Change struct {
	Name      unit.Name
	File      []byte               // nil: the file that the unit has
	Desired   cluster.DesiredState // empty: as it is, or inactive for a new unit
	NoReplace bool                 // refuse to replace a file that differs
	Restart   bool                 // the unit must be wanted launched
	Destroy   bool
	IfMatch   int64 // refuse unless this is the unit's generation; 0: any
	IfAbsent  bool  // refuse if the unit exists
}

// maxCall is how many bytes of changes Change puts in one request: half of what a server takes by default.
const maxCall = 8 << 20

// Change carries out many changes, each by itself, and returns their results in
// the same order; a change that was refused is one whose result has an Err.
// No two may be about the same unit.
//
// Many changes are sent as several requests. If one of these fails as a whole
// the error says why, the results are those of the requests before it, and of
// the changes behind them it is unknown whether some were carried out.
func (c *Client) Change(ctx context.Context, changes []Change) ([]ChangeResult, error) {
	encoded := make([]json.RawMessage, len(changes))
	seen := make(map[unit.Name]bool, len(changes))
	for i, change := range changes {
		if seen[change.Name] {
			return nil, fmt.Errorf("change %d units: %s is given twice", len(changes), change.Name)
		}
		seen[change.Name] = true
		var err error
		if encoded[i], err = json.Marshal(change.request()); err != nil {
			return nil, fmt.Errorf("encode the change of %s: %w", change.Name, err)
		}
	}
	results := make([]ChangeResult, 0, len(changes))
	for len(encoded) > 0 {
		some, err := c.changeFirst(ctx, encoded, fitting(encoded))
		if err != nil {
			return results, err
		}
		results, encoded = append(results, some...), encoded[len(some):]
	}
	return results, nil
}

// changeFirst sends the first n changes, or fewer where the server has been told to take less than servers do by default.
func (c *Client) changeFirst(ctx context.Context, encoded []json.RawMessage, n int) ([]ChangeResult, error) {
	for {
		some, err := c.changeSome(ctx, encoded[:n])
		var refused *Error
		if n == 1 || !errors.As(err, &refused) || refused.Code != http.StatusRequestEntityTooLarge {
			return some, err
		}
		n /= 2 // nothing of it was carried out
	}
}

// fitting is how many changes go into one request, at least one.
func fitting(encoded []json.RawMessage) int {
	size := 0
	for i, e := range encoded {
		size += len(e) + len(",")
		if i == maxChanges || i > 0 && size > maxCall {
			return i
		}
	}
	return len(encoded)
}

func (c *Client) changeSome(ctx context.Context, encoded []json.RawMessage) ([]ChangeResult, error) {
	body, err := json.Marshal(map[string]any{"changes": encoded})
	if err != nil {
		return nil, fmt.Errorf("encode %d changes: %w", len(encoded), err)
	}
	a, err := c.do(ctx, request{method: http.MethodPost, path: "changes", contentType: jsonType, body: body})
	if err != nil {
		return nil, err
	}
	var answer changesAnswer
	if err := json.Unmarshal(a.body, &answer); err != nil {
		return nil, fmt.Errorf("%s: decode the results of %d changes: %w", c.endpoint, len(encoded), err)
	}
	if len(answer.Results) != len(encoded) {
		return nil, fmt.Errorf("%s: %d results for %d changes", c.endpoint, len(answer.Results), len(encoded))
	}
	return answer.Results, nil
}

func (c Change) request() changeRequest {
	r := changeRequest{
		Name: string(c.Name), DesiredState: string(c.Desired),
		Restart: c.Restart, Destroy: c.Destroy, IfMatch: c.IfMatch, IfAbsent: c.IfAbsent,
	}
	if c.NoReplace {
		r.Replace = new(bool)
	}
	switch {
	case c.File != nil && utf8.Valid(c.File):
		text := string(c.File)
		r.File = &text
	case c.File != nil:
		r.FileBase64 = &c.File
	}
	return r
}
