package api

import (
	"net/url"
	"path"
	"slices"
	"strings"

	"fleet/unit"
)

// unitSelection are the units that a request is about: those that are named, and
// those that a pattern fits. The zero value is all units.
type unitSelection struct {
	names map[unit.Name]struct{}
	globs []unit.Glob
}

// selectedUnits reads unitName= and glob=.
func selectedUnits(query url.Values) (unitSelection, error) {
	var sel unitSelection
	for _, raw := range query["unitName"] {
		name, err := parseName(raw)
		if err != nil {
			return sel, badRequest("parameter unitName: %v", err)
		}
		if sel.names == nil {
			sel.names = make(map[unit.Name]struct{})
		}
		sel.names[name] = struct{}{}
	}
	for _, raw := range query["glob"] {
		// unit.Glob says why a backslash is no escape.
		if _, err := path.Match(strings.ReplaceAll(raw, `\`, `\\`), ""); err != nil || raw == "" {
			return sel, badRequest("parameter glob: malformed pattern %q", raw)
		}
		sel.globs = append(sel.globs, unit.Glob(raw))
	}
	return sel, nil
}

func (sel unitSelection) all() bool { return sel.names == nil && sel.globs == nil }

func (sel unitSelection) has(name unit.Name) bool {
	if _, named := sel.names[name]; named || sel.all() {
		return true
	}
	return slices.ContainsFunc(sel.globs, func(g unit.Glob) bool { return g.Match(name) })
}

// among returns which of these names are selected, in their order.
func (sel unitSelection) among(names []unit.Name) []unit.Name {
	if sel.all() {
		return names
	}
	return slices.DeleteFunc(slices.Clone(names), func(name unit.Name) bool { return !sel.has(name) })
}
