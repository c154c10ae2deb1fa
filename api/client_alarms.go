package api

import (
	"context"
	"net/http"
	"net/url"
)

// Alarms lists what the engine needs people for, by name.
func (c *Client) Alarms(ctx context.Context) ([]Alarm, error) {
	var out AlarmList
	err := c.ask(ctx, request{method: http.MethodGet, path: "alarms"}, nil, &out)
	return out.Alarms, err
}

// Acknowledge has the engine go on in spite of an alarm. The error is ErrNotFound if it does not stand, and an *Error of
// code 409 if what stands is another one of that name, which was raised since.
func (c *Client) Acknowledge(ctx context.Context, a Alarm) error {
	path := "alarms/" + url.PathEscape(string(a.Name)) + "/ack"
	return c.ask(ctx, request{method: http.MethodPost, path: path}, ackRequest{Since: a.Since}, nil)
}
