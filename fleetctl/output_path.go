package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/theory/jsonpath"
)

// parsePath reads a JSONPath query of RFC 9535 whose $ is the array of all
// entities. People's fingers know kubectl's way, too: a path in braces, in which
// .items is that array and anything else is applied to each entity.
func parsePath(text string) (*jsonpath.Path, error) {
	query := text
	if inner, braced := strings.CutPrefix(text, "{"); braced {
		inner, closed := strings.CutSuffix(inner, "}")
		if !closed || strings.ContainsAny(inner, "{}") || strings.HasPrefix(inner, "range ") {
			return nil, fmt.Errorf("jsonpath %q: one path in braces is understood, such as {.items[*].name}; for more use template=", text)
		}
		query = strings.TrimPrefix(inner, "$")
		if rest, isArray := strings.CutPrefix(query, ".items"); isArray && !startsName(rest) {
			query = "$" + rest
		} else {
			query = "$[*]" + query
		}
	}
	if !strings.HasPrefix(query, "$") {
		return nil, fmt.Errorf("jsonpath %q: at position 1: a query begins with $, which is the array of all that is shown, such as $[*].name", text)
	}
	path, err := jsonpath.Parse(query)
	if err != nil {
		message := strings.TrimPrefix(err.Error(), jsonpath.ErrPathParse.Error()+": ")
		if query != text {
			return nil, fmt.Errorf("jsonpath %q, read as %s: %s", text, query, message)
		}
		return nil, fmt.Errorf("jsonpath %q: %s", text, message)
	}
	return path, nil
}

// startsName tells whether what follows ".items" goes on with that name: ".itemsize".
func startsName(rest string) bool {
	return rest != "" && rest[0] != '.' && rest[0] != '['
}

// writeSelected writes each value that a query selects on a line.
func writeSelected(b *bytes.Buffer, path *jsonpath.Path, decoded any) error {
	for _, v := range path.Select(decoded) {
		if text, isString := v.(string); isString {
			fmt.Fprintln(b, text)
			continue
		}
		raw, err := encodeJSON(v, "")
		if err != nil {
			return err
		}
		b.Write(raw)
	}
	return nil
}
