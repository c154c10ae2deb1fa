package journal

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Outputs are journalctl's words for how entries are printed.
var outputs = []string{
	"short", "short-full", "short-iso", "short-iso-precise", "short-precise", "short-monotonic", "short-unix",
	"with-unit", "verbose", "export", "json", "json-pretty", "json-sse", "json-seq", "cat",
}

// Outputs lists the words that NewPrinter knows.
func Outputs() []string { return slices.Clone(outputs) }

// Printer prints entries as journalctl does.
type Printer struct {
	output string
	zone   *time.Location

	// Paint, if it is set, is given the lines of messages with their priority (0-7, 6 if there is none), for
	// colours, as journalctl has them on a terminal.
	Paint func(priority int, line string) string
}

// NewPrinter returns a printer for one of journalctl's words for --output; times are shown as in zone.
func NewPrinter(output string, zone *time.Location) (Printer, error) {
	if !slices.Contains(outputs, output) {
		return Printer{}, fmt.Errorf("output %q: expect one of %s", output, strings.Join(outputs, ", "))
	}
	return Printer{output: output, zone: zone}, nil
}

// ForPeople tells whether lines are read by people, and not by a program that knows the format.
func (p Printer) ForPeople() bool {
	return p.output == "cat" || p.output == "with-unit" || strings.HasPrefix(p.output, "short")
}

// ContentType is that of HTTP.
func (p Printer) ContentType() string {
	switch p.output {
	case "json":
		return "application/x-ndjson"
	case "json-sse":
		return "text/event-stream"
	case "json-seq":
		return "application/json-seq"
	case "export":
		return "application/vnd.fdo.journal"
	}
	return "text/plain; charset=utf-8"
}

// Print returns what journalctl would print of an entry, with prefix before its first line.
func (p Printer) Print(e Entry, prefix string) []byte {
	var out bytes.Buffer
	switch p.output {
	case "json":
		out.Write(e.raw)
		out.WriteByte('\n')
	case "json-sse":
		fmt.Fprintf(&out, "data: %s\n\n", e.raw)
	case "json-seq":
		fmt.Fprintf(&out, "\x1e%s\n", e.raw)
	case "json-pretty":
		prettyJSON(&out, e)
	case "verbose":
		p.verbose(&out, e)
	case "export":
		export(&out, e)
	case "cat":
		for _, message := range e.Fields[fieldMessage] {
			out.WriteString(prefix + message + "\n")
		}
	default:
		p.short(&out, e, prefix)
	}
	return out.Bytes()
}

// short is the line of syslog, with the time in one form or another.
func (p Printer) short(out *bytes.Buffer, e Entry, prefix string) {
	message, ok := e.Fields[fieldMessage]
	if !ok {
		return
	}
	head := prefix + p.stamp(e)
	if host := e.first("_HOSTNAME"); printable(host) {
		head += " " + host
	}
	head += " " + p.speaker(e)
	if pid := cmp.Or(e.first("_PID"), e.first("SYSLOG_PID")); printable(pid) {
		head += "[" + pid + "]"
	}
	head += ": "
	text := plain(message[0])
	if !isText(text) {
		text = blob(len(message[0]))
	}
	priority, err := strconv.Atoi(e.first("PRIORITY"))
	if err != nil {
		priority = 6
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		if p.Paint != nil {
			line = p.Paint(priority, line)
		}
		out.WriteString(head + line + "\n")
		head = strings.Repeat(" ", len(head)) // further lines stand below the first
	}
}

// speaker is who wrote an entry.
func (p Printer) speaker(e Entry) string {
	if p.output == "with-unit" {
		var units []string
		for _, field := range []string{"_SYSTEMD_UNIT", "_SYSTEMD_USER_UNIT"} {
			if name := e.first(field); printable(name) {
				units = append(units, name)
			}
		}
		if len(units) > 0 {
			return strings.Join(units, "/")
		}
	}
	for _, field := range []string{"SYSLOG_IDENTIFIER", "_COMM"} {
		if name := e.first(field); printable(name) {
			return name
		}
	}
	return "unknown"
}

func (p Printer) stamp(e Entry) string {
	at := e.written().In(p.zone)
	switch p.output {
	case "short-full", "with-unit":
		return at.Format("Mon 2006-01-02 15:04:05 MST")
	case "short-iso":
		return at.Format("2006-01-02T15:04:05-0700")
	case "short-iso-precise":
		return at.Format("2006-01-02T15:04:05.000000-0700")
	case "short-precise":
		return at.Format("Jan 02 15:04:05.000000")
	case "short-unix":
		return fmt.Sprintf("%d.%06d", at.Unix(), at.Nanosecond()/1000)
	case "short-monotonic":
		us, err := strconv.ParseUint(cmp.Or(e.first("_SOURCE_MONOTONIC_TIMESTAMP"), e.first(fieldMonotonic)), 10, 64)
		if err != nil {
			return "[      no time]"
		}
		return fmt.Sprintf("[%5d.%06d]", us/1e6, us%1e6)
	}
	return at.Format("Jan 02 15:04:05")
}

// printable tells whether a word in the head of a line is there, and may be shown.
func printable(word string) bool {
	return word != "" && isText(word) && !strings.Contains(word, "\n")
}

// isText tells whether a value is text without control characters, tabs and line breaks excepted.
func isText(value string) bool {
	return utf8.ValidString(value) && !strings.ContainsFunc(value, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' || 0x7f <= r && r <= 0x9f
	})
}

func blob(size int) string { return "[" + formatBytes(size) + " blob data]" }

// formatBytes is a number of bytes as systemd writes it.
func formatBytes(n int) string {
	for _, unit := range []struct {
		suffix string
		factor int
	}{{"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}} {
		if n >= unit.factor {
			return fmt.Sprintf("%d.%d%s", n/unit.factor, n*10/unit.factor%10, unit.suffix)
		}
	}
	return strconv.Itoa(n) + "B"
}

// plain is a message without colours and other sequences for terminals, and with spaces for tabs.
func plain(message string) string {
	if !strings.ContainsAny(message, "\t\x1b") {
		return message
	}
	var out strings.Builder
	for i := 0; i < len(message); {
		switch c := message[i]; {
		case c == '\t':
			out.WriteString("        ")
			i++
		case c == 0x1b && sequence(message[i:]) > 0:
			i += sequence(message[i:])
		default:
			out.WriteByte(c)
			i++
		}
	}
	return out.String()
}

// sequence is the length of the terminal's sequence that text begins with: ESC [ … LETTER,
// or ESC ] … up to BEL or ESC \. It is 0 if that has no end.
func sequence(text string) int {
	if len(text) < 2 {
		return 0
	}
	switch text[1] {
	case '[':
		for i := 2; i < len(text); i++ {
			switch c := text[i]; {
			case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
				return i + 1
			case c != ';' && (c < '0' || c > '9'):
				return 0
			}
		}
	case ']':
		for i := 2; i < len(text); i++ {
			switch {
			case text[i] == '\a':
				return i + 1
			case text[i] == 0x1b && i+1 < len(text) && text[i+1] == '\\':
				return i + 2
			}
		}
	}
	return 0
}
