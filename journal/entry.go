package journal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// The fields that this package looks at.
const (
	fieldCursor    = "__CURSOR"
	fieldRealtime  = "__REALTIME_TIMESTAMP"
	fieldMonotonic = "__MONOTONIC_TIMESTAMP"
	fieldMessage   = "MESSAGE"

	// FieldMachine is what fleet adds to an entry: on which machine it was written. A process cannot
	// write such a field, as its name begins with an underscore.
	FieldMachine = "__FLEET_MACHINE"
)

// Entry is one entry of a journal.
type Entry struct {
	Machine string              // where it was written, if somebody said so; not among the fields
	Fields  map[string][]string // values are bytes, and need not be text; a field may have several
	raw     []byte              // without the machine
}

// Tag adds the machine to a line of JSON from journalctl.
func Tag(line []byte, machine string) []byte {
	line = bytes.TrimRight(line, " \r\n")
	body, ok := bytes.CutSuffix(line, []byte("}"))
	if !ok || machine == "" {
		return line
	}
	tagged := make([]byte, 0, len(line)+len(machine)+len(FieldMachine)+8)
	tagged = append(tagged, body...)
	return append(tagged, tag(machine)...)
}

func tag(machine string) string {
	return `,"` + FieldMachine + `":` + strconv.Quote(machine) + "}"
}

// Parse reads a line of JSON, tagged or not.
func Parse(line []byte) (Entry, error) {
	line = bytes.TrimRight(line, " \r\n")
	var values map[string]json.RawMessage
	if err := json.Unmarshal(line, &values); err != nil {
		return Entry{}, fmt.Errorf("read a journal entry: %w", err)
	}
	e := Entry{Fields: make(map[string][]string, len(values)), raw: line}
	for name, value := range values {
		texts, err := decodeValues(value)
		if err != nil {
			return Entry{}, fmt.Errorf("read field %s of a journal entry: %w", name, err)
		}
		if len(texts) > 0 {
			e.Fields[name] = texts
		}
	}
	if e.Machine = e.first(FieldMachine); e.Machine != "" {
		delete(e.Fields, FieldMachine)
		if bare, ok := bytes.CutSuffix(line, []byte(tag(e.Machine))); ok {
			e.raw = append(bytes.Clone(bare), '}')
		}
	}
	return e, nil
}

// decodeValues reads what journalctl makes of a field: text is a string, other bytes are an
// array of numbers, several values are an array of these, and null is a value that was left out.
func decodeValues(value json.RawMessage) ([]string, error) {
	switch {
	case len(value) == 0 || bytes.Equal(value, []byte("null")):
		return nil, nil
	case value[0] == '"':
		var text string
		err := json.Unmarshal(value, &text)
		return []string{text}, err
	}
	var items []json.RawMessage
	if err := json.Unmarshal(value, &items); err != nil {
		return nil, err
	}
	if len(items) > 0 && items[0][0] != '"' && items[0][0] != '[' && items[0][0] != 'n' {
		octets := make([]byte, len(items))
		for i, item := range items {
			n, err := strconv.ParseUint(string(item), 10, 8)
			if err != nil {
				return nil, err
			}
			octets[i] = byte(n)
		}
		return []string{string(octets)}, nil
	}
	var all []string
	for _, item := range items {
		texts, err := decodeValues(item)
		if err != nil {
			return nil, err
		}
		all = append(all, texts...)
	}
	return all, nil
}

func (e Entry) first(field string) string {
	if values := e.Fields[field]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// Cursor names the entry in the journal of its machine.
func (e Entry) Cursor() string { return e.first(fieldCursor) }

// Time is when journald received the entry, by the clock of its machine.
func (e Entry) Time() time.Time {
	t, _ := e.clock(fieldRealtime)
	return t
}

func (e Entry) clock(field string) (time.Time, bool) {
	n, err := strconv.ParseInt(e.first(field), 10, 64)
	if err != nil || n <= 0 {
		return time.Time{}, false
	}
	return time.UnixMicro(n), true
}

// written is when the entry was written: as whoever wrote it said, or else when journald received it.
func (e Entry) written() time.Time {
	if t, ok := e.clock("_SOURCE_REALTIME_TIMESTAMP"); ok {
		return t
	}
	return e.Time()
}

// Scan reads when an entry was received and its cursor off its line of JSON, without parsing the
// rest. Within a value a quote is escaped, so that no value can look like these fields.
func Scan(line []byte) (at time.Time, cursor string) {
	if us, err := strconv.ParseInt(scan(line, fieldRealtime), 10, 64); err == nil {
		at = time.UnixMicro(us)
	}
	return at, scan(line, fieldCursor)
}

func scan(line []byte, field string) string {
	_, value, found := bytes.Cut(line, []byte(`"`+field+`":"`))
	if !found {
		return ""
	}
	value, _, _ = bytes.Cut(value, []byte(`"`))
	return string(value)
}

// MachineOf is the machine that Tag has added to a line, empty if it has not.
func MachineOf(line []byte) string { return scan(line, FieldMachine) }
