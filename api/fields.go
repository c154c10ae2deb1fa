package api

import (
	"encoding/binary"
	"reflect"
	"slices"
	"strings"
	"time"
)

// fields are the fields of the items of a list, as they are in JSON.
type fields []field

// field is one of them.
type field struct {
	name     string
	index    int
	sortable bool
}

// onlyInEvents is a field that no item of a list has.
const onlyInEvents = "absent"

// fieldsOf lists the fields of a struct, none of which is sent when it is empty.
func fieldsOf[T any]() fields {
	var all fields
	t := reflect.TypeFor[T]()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name == onlyInEvents {
			continue
		}
		all = append(all, field{name: name, index: i, sortable: sortable(t.Field(i).Type)})
	}
	return all
}

func (f fields) find(name string) (field, bool) {
	i := slices.IndexFunc(f, func(f field) bool { return f.name == name })
	if i < 0 {
		return field{}, false
	}
	return f[i], true
}

func (f fields) names() []string {
	var names []string
	for _, field := range f {
		names = append(names, field.name)
	}
	return names
}

func (f fields) sortable() []string {
	var names []string
	for _, field := range f {
		if field.sortable {
			names = append(names, field.name)
		}
	}
	return names
}

// fieldSet are the fields that are not asked for; nil: there are none.
type fieldSet []int

func parseFields(lists []string, known fields) (fieldSet, error) {
	var asked []string
	for _, list := range lists {
		for name := range strings.SplitSeq(list, ",") {
			if name = strings.TrimSpace(name); name != "" {
				asked = append(asked, name)
			}
		}
	}
	for _, name := range asked {
		if _, ok := known.find(name); !ok {
			return nil, badRequest("parameter %s: unknown field %q: expect some of %s", paramFields, name, strings.Join(known.names(), ", "))
		}
	}
	var left fieldSet
	for _, f := range known {
		if len(asked) > 0 && !slices.Contains(asked, f.name) {
			left = append(left, f.index)
		}
	}
	return left, nil
}

// drop empties the fields of an item that are not asked for.
func (s fieldSet) drop(item reflect.Value) {
	for _, index := range s {
		item.Field(index).SetZero()
	}
}

func sortable(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint32:
		return true
	}
	return t == reflect.TypeFor[time.Time]() || t == reflect.TypeFor[*Outcome]()
}

// maxSortValue is how much of a value counts, all of any unit's name: a page token holds one.
const maxSortValue = 255

// value is what an item has in a field, in a form whose order is that of strings.
func (f field) value(item reflect.Value) string {
	v := item.Field(f.index)
	switch v.Kind() {
	case reflect.String:
		s := v.String()
		return s[:min(len(s), maxSortValue)]
	case reflect.Bool:
		if v.Bool() {
			return "1"
		}
		return "0"
	case reflect.Uint32:
		return ordered(int64(v.Uint()))
	case reflect.Int, reflect.Int32, reflect.Int64:
		return ordered(v.Int())
	}
	switch v := v.Interface().(type) {
	case time.Time:
		if v.IsZero() {
			return ""
		}
		return ordered(v.Unix()) + ordered(int64(v.Nanosecond()))
	case *Outcome:
		if v != nil {
			return string(v.Phase)
		}
	}
	return ""
}

// ordered writes a number so that the order of strings is that of the numbers.
func ordered(n int64) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n)^1<<63)
	return string(b[:])
}
