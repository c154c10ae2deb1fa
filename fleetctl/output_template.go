package main

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"text/template"
	"time"
)

// parseTemplate reads a Go template. As in a shell's single quotes \t and \n would
// stay as they are, they are read as what everybody means by them.
func parseTemplate(text string) (*template.Template, error) {
	text = strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(text)
	t, err := template.New("output").Option("missingkey=error").Funcs(template.FuncMap{
		"json": func(v any) (string, error) {
			raw, err := encodeJSON(v, "")
			return strings.TrimSuffix(string(raw), "\n"), err
		},
		"join":  join,
		"upper": strings.ToUpper,
		"lower": strings.ToLower,
		"ago": func(text string) (string, error) {
			if text == "" {
				return "", nil
			}
			t, err := time.Parse(time.RFC3339, text)
			if err != nil {
				return "", err
			}
			return moment(t, time.Now(), false), nil
		},
	}).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("template %q: %s", text, strings.TrimPrefix(err.Error(), "template: "))
	}
	return t, nil
}

func join(separator string, list any) (string, error) {
	var parts []string
	switch v := reflect.ValueOf(list); v.Kind() {
	case reflect.Invalid:
	case reflect.Slice:
		for i := range v.Len() {
			parts = append(parts, fmt.Sprint(v.Index(i).Interface()))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			parts = append(parts, fmt.Sprintf("%v=%v", key, v.MapIndex(key)))
		}
		slices.Sort(parts)
	default:
		return "", fmt.Errorf("join: %v is neither a list nor a map", list)
	}
	return strings.Join(parts, separator), nil
}

func executeTemplate(b *bytes.Buffer, t *template.Template, all []any) error {
	for _, e := range all {
		data, err := named(reflect.ValueOf(e))
		if err != nil {
			return err
		}
		if err := t.Execute(b, data); err != nil {
			err = errors.New(strings.TrimPrefix(err.Error(), "template: "))
			if fields, ok := data.(map[string]any); ok {
				err = fmt.Errorf("%w (there are %s)", err, strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
			}
			return usage(err)
		}
		b.WriteByte('\n')
	}
	return nil
}

// named is a value as templates see it: structs are maps with all of their JSON
// names, also those that JSON leaves out because they are empty. Only so can a
// template tell an empty field from one that does not exist.
func named(v reflect.Value) (any, error) {
	if !v.IsValid() {
		return nil, nil
	}
	if encodesItself(v.Type()) {
		return encoded(v)
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() && v.Kind() == reflect.Pointer && v.Type().Elem().Kind() == reflect.Struct {
			return map[string]any(nil), nil
		}
		if v.IsNil() {
			return nil, nil
		}
		return named(v.Elem())
	case reflect.Struct:
		fields := make(map[string]any)
		return fields, addFields(fields, v)
	case reflect.Map:
		if k := v.Type().Elem().Kind(); k == reflect.String || k == reflect.Int64 {
			return v.Interface(), nil // so that a key that is missing is empty
		}
		fields := make(map[string]any, v.Len())
		for _, key := range v.MapKeys() {
			value, err := named(v.MapIndex(key))
			if err != nil {
				return nil, err
			}
			fields[fmt.Sprint(key.Interface())] = value
		}
		return fields, nil
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return encoded(v) // base64
		}
		list := make([]any, v.Len())
		for i := range list {
			value, err := named(v.Index(i))
			if err != nil {
				return nil, err
			}
			list[i] = value
		}
		return list, nil
	case reflect.String:
		return v.String(), nil
	}
	return v.Interface(), nil
}

func addFields(fields map[string]any, v reflect.Value) error {
	for f, value := range v.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "" && value.Kind() == reflect.Struct:
			if err := addFields(fields, value); err != nil {
				return err
			}
			continue
		case name == "-" || !f.IsExported():
			continue
		case name == "":
			name = f.Name
		}
		data, err := named(value)
		if err != nil {
			return err
		}
		fields[name] = data
	}
	return nil
}

func encodesItself(t reflect.Type) bool {
	return t.Implements(reflect.TypeFor[json.Marshaler]()) || t.Implements(reflect.TypeFor[encoding.TextMarshaler]())
}

// encoded is a value that knows its own JSON. No time is no text.
func encoded(v reflect.Value) (any, error) {
	if t, isTime := v.Interface().(time.Time); isTime && t.IsZero() || v.Kind() == reflect.Pointer && v.IsNil() {
		return "", nil
	}
	raw, err := encodeJSON(v.Interface(), "")
	if err != nil {
		return nil, err
	}
	return decodeJSON(raw)
}
