package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"fleet/cluster"
	"fleet/unit"
)

// ListOptions select what a list has, and in which order. The zero value is everything, in the
// list's own order. Several values of one field are alternatives, different fields all have to hold.
//
// Units and states know all of them. Machines know Machines, Selector and Absent, and those that have a unit of Names or Globs.
type ListOptions struct {
	Names    []unit.Name            // units with these names
	Globs    []unit.Glob            // or that one of these patterns fits
	Machines []cluster.MachineID    // units that are on one of these machines; these machines
	Desired  []cluster.DesiredState // units that are wanted so
	Load     []string               // units with a copy for which systemd has one of these words
	Active   []string
	Sub      []string
	Phases   []cluster.Phase // units for which the cluster has come so far
	Global   *bool           // global units only, or only others
	Absent   bool            // machines that are not present too, as far as they are known
	Selector []string        // units on machines, or machines, that meet every one of these requirements (disk=ssd, …)

	Sort     string   // a field of the items by its JSON name; "-" before it turns the order round
	Fields   []string // only these fields of the items, by their JSON names; none: all
	Limit    int      // the most items that are returned; 0: all
	PageSize int      // the most items that the server is asked for at once; 0: as many as it gives
}

func (o ListOptions) query() url.Values {
	query := url.Values{}
	add(query, paramName, o.Names)
	add(query, paramGlob, o.Globs)
	add(query, paramMachine, o.Machines)
	add(query, paramDesired, o.Desired)
	add(query, paramLoad, o.Load)
	add(query, paramActive, o.Active)
	add(query, paramSub, o.Sub)
	add(query, paramPhase, o.Phases)
	add(query, paramSelector, o.Selector)
	add(query, paramFields, o.Fields)
	if o.Global != nil {
		query.Set(paramGlobal, strconv.FormatBool(*o.Global))
	}
	if o.Absent {
		query.Set(paramAbsent, strconv.FormatBool(true))
	}
	if o.Sort != "" {
		query.Set(paramSort, o.Sort)
	}
	if o.PageSize != 0 {
		query.Set(paramLimit, strconv.Itoa(o.PageSize))
	}
	return query
}

func add[S ~string](query url.Values, parameter string, values []S) {
	for _, v := range values {
		query.Add(parameter, string(v))
	}
}

// Units lists all units, by name.
func (c *Client) Units(ctx context.Context) ([]Unit, error) { return c.UnitsWith(ctx, ListOptions{}) }

// UnitsWith lists units.
func (c *Client) UnitsWith(ctx context.Context, o ListOptions) ([]Unit, error) {
	return list(ctx, c, "units", o, func(p UnitPage) ([]Unit, string) { return p.Units, p.NextPageToken })
}

// States lists what the machines say of the units, by name and machine.
func (c *Client) States(ctx context.Context) ([]UnitState, error) {
	return c.StatesWith(ctx, ListOptions{})
}

// StatesWith lists what machines say of units.
func (c *Client) StatesWith(ctx context.Context, o ListOptions) ([]UnitState, error) {
	return list(ctx, c, "state", o, func(p UnitStatePage) ([]UnitState, string) { return p.States, p.NextPageToken })
}

// Machines lists the machines that are present, by id.
func (c *Client) Machines(ctx context.Context) ([]Machine, error) {
	return c.MachinesWith(ctx, ListOptions{})
}

// MachinesWith lists machines, those that are present unless more is asked for.
func (c *Client) MachinesWith(ctx context.Context, o ListOptions) ([]Machine, error) {
	return list(ctx, c, "machines", o, func(p MachinePage) ([]Machine, string) { return p.Machines, p.NextPageToken })
}

// Machine tells of one machine. The error is ErrNotFound if there is no such machine.
func (c *Client) Machine(ctx context.Context, id cluster.MachineID) (MachineDetail, error) {
	var out MachineDetail
	err := c.ask(ctx, request{method: http.MethodGet, path: "machines/" + url.PathEscape(string(id))}, nil, &out)
	return out, err
}

// Settings lists what operators have laid over machines, present or not, by id.
func (c *Client) Settings(ctx context.Context) ([]MachineSettings, error) {
	var out SettingsList
	err := c.ask(ctx, request{method: http.MethodGet, path: "settings"}, nil, &out)
	return out.Settings, err
}

// list reads page after page until there are no more, or as many items as are wanted. All pages are
// of one revision of the cluster, unless the reader is so slow that the server has given that up.
func list[P, T any](ctx context.Context, c *Client, path string, o ListOptions, open func(P) ([]T, string)) ([]T, error) {
	var all []T
	query := o.query()
	for {
		a, err := c.do(ctx, request{method: http.MethodGet, path: path, query: query})
		if err != nil {
			return all, err
		}
		var page P
		if err := json.Unmarshal(a.body, &page); err != nil {
			return all, fmt.Errorf("%s: decode a page of %s: %w", c.endpoint, path, err)
		}
		items, token := open(page)
		all = append(all, items...)
		if o.Limit > 0 && len(all) >= o.Limit {
			return all[:o.Limit], nil
		}
		if token == "" {
			return all, nil
		}
		query.Set(paramToken, token)
	}
}
