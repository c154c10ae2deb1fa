package api

import (
	"net/url"
	"slices"

	"fleet/unit"
)

// selectedUnits are the units that a stream or the history is asked for, by name or by pattern; without either all units.
func selectedUnits(query url.Values) (filter, error) {
	var f filter
	for _, raw := range sent[string](query, paramName) {
		name, err := parseName(raw)
		if err != nil {
			return f, badRequest("parameter %s: %v", paramName, err)
		}
		f.names = append(f.names, name)
	}
	slices.Sort(f.names)
	f.names = slices.Compact(f.names)
	var err error
	f.globs, err = parseGlobs(query)
	return f, err
}

func parseGlobs(query url.Values) ([]pattern, error) {
	var globs []pattern
	for _, text := range sent[string](query, paramGlob) {
		glob, err := unit.ParseGlob(text)
		if err != nil {
			return nil, badRequest("parameter %s: %v", paramGlob, err)
		}
		globs = append(globs, newPattern(glob))
	}
	return globs, nil
}
