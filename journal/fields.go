package journal

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// fields are the names of an entry's own fields, without those that say where and when it was written.
func (e Entry) fields() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(e.Fields)), func(name string) bool { return strings.HasPrefix(name, "__") })
}

// verbose prints all fields, one on a line, and further lines of a value below its first.
func (p Printer) verbose(out *bytes.Buffer, e Entry) {
	out.WriteString(e.written().In(p.zone).Format("Mon 2006-01-02 15:04:05.000000 MST") + " [" + e.Cursor() + "]\n")
	for _, name := range e.fields() {
		for _, value := range e.Fields[name] {
			text := value
			if !isText(value) {
				text = blob(len(value))
			}
			head := "    " + name + "="
			out.WriteString(head + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n"+strings.Repeat(" ", len(head))) + "\n")
		}
	}
}

// export prints the form of https://systemd.io/JOURNAL_EXPORT_FORMATS.
func export(out *bytes.Buffer, e Entry) {
	for _, name := range []string{fieldCursor, fieldRealtime, fieldMonotonic, "_BOOT_ID"} {
		if value := e.first(name); value != "" {
			out.WriteString(name + "=" + value + "\n")
		}
	}
	for _, name := range e.fields() {
		if name == "_BOOT_ID" {
			continue
		}
		for _, value := range e.Fields[name] {
			if isText(value) && !strings.Contains(value, "\n") {
				out.WriteString(name + "=" + value + "\n")
				continue
			}
			out.WriteString(name + "\n")
			out.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(value))))
			out.WriteString(value + "\n")
		}
	}
	out.WriteByte('\n')
}

// named is a field's name in indented JSON; systemd puts a space behind it.
var named = regexp.MustCompile(`(?m)^(\t"[^"\\]*"): `)

// prettyJSON prints an entry's JSON with one field on a line.
func prettyJSON(out *bytes.Buffer, e Entry) {
	var indented bytes.Buffer
	if err := json.Indent(&indented, e.raw, "", "\t"); err != nil {
		return // not an entry that was parsed
	}
	out.Write(named.ReplaceAll(indented.Bytes(), []byte("$1 : ")))
	out.WriteByte('\n')
}
