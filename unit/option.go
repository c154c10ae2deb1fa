package unit

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Option is one assignment of a unit file in the words of fleet 1: a continued
// value keeps its backslashes, line breaks, indentation and the comments
// between its lines. White space at both ends is gone, but a value whose last
// backslash is followed by an empty line ends in a line break. An empty
// assignment is an option like any other.
type Option struct {
	Section, Name, Value string
}

// Options returns the file in fleet 1's words, in file order.
//
// Where fleet 1 and systemd disagree about where a value ends (two backslashes
// at the end of a line; "\r\n" after a backslash; a comment that ends in a
// backslash, or stands between continuation lines) this follows systemd.
func (f *File) Options() []Option {
	options := make([]Option, len(f.assignments))
	for i, a := range f.assignments {
		options[i] = Option{a.section, a.key, a.text}
	}
	return options
}

// V1Hash is fleet 1's hash of the file: 40 hexadecimal digits of the SHA-1 of
// its options, written with one header per section in the order in which the
// sections first appear. Comments, blank lines, spacing and empty sections do
// not change it; the order of options and sections does.
func (f *File) V1Hash() string {
	bySection := map[string][]assignment{}
	var order []string
	for _, a := range f.assignments {
		if _, seen := bySection[a.section]; !seen {
			order = append(order, a.section)
		}
		bySection[a.section] = append(bySection[a.section], a)
	}
	h := sha1.New()
	for i, section := range order {
		if i > 0 {
			fmt.Fprintln(h)
		}
		fmt.Fprintf(h, "[%s]\n", section)
		for _, a := range bySection[section] {
			fmt.Fprintf(h, "%s=%s\n", a.key, a.text)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// FromOptions writes the file whose Options are these, in this order; a header
// is repeated where the section changes back. White space around names and
// values, which no file can hold, is dropped; a backslash that ends a value is
// written so that it does not continue onto the next line. An option that no
// unit file can say is an error.
func FromOptions(options []Option) (*File, error) {
	want := slices.Clone(options)
	var b strings.Builder
	for i, o := range want {
		o.Name, o.Value = strings.Trim(o.Name, space), v1Text(o.Value)
		if err := o.check(); err != nil {
			return nil, optionError(i, o, err)
		}
		want[i] = o
		if i == 0 || o.Section != want[i-1].Section {
			if i > 0 {
				b.WriteByte('\n')
			}
			b.WriteString("[" + o.Section + "]\n")
		}
		value := o.Value
		if continues(value) {
			value += " " // a backslash that ends the value, not one that continues it
		}
		b.WriteString(o.Name + "=" + value + "\n")
		if open(value) {
			b.WriteByte('\n') // ends the continuation
		}
	}
	f, err := Parse([]byte(b.String()))
	if err != nil {
		return nil, fmt.Errorf("write options as a unit file: %w", err)
	}
	got := f.Options()
	for i, o := range want {
		if i >= len(got) || got[i] != o {
			return nil, optionError(i, o, errors.New("value cannot be written in a unit file"))
		}
	}
	return f, nil
}

func optionError(i int, o Option, err error) error {
	return fmt.Errorf("option %d, [%.80s] %.80s: %w", i+1, o.Section, o.Name, err)
}

func (o Option) check() error {
	if msg := checkSection(o.Section); msg != "" {
		return fmt.Errorf("section name %s: %s", excerpt(o.Section), msg)
	}
	if o.Name == "" {
		return errors.New("the name is empty")
	}
	if strings.ContainsAny(o.Name, "=\r\n\x00") || strings.ContainsAny(o.Name[:1], "[#;") ||
		strings.HasPrefix(o.Name, byteOrderMark) || !utf8.ValidString(o.Name) {
		return fmt.Errorf("%s cannot be the name of an option", excerpt(o.Name))
	}
	if strings.ContainsAny(o.Value, "\r\x00") {
		return errors.New("value has a carriage return or a NUL byte")
	}
	lines := strings.Split(o.Value, "\n")
	for i, line := range lines[:len(lines)-1] {
		if !continues(line) && (i == 0 || !isComment(line)) {
			return errors.New("value has a line break without a backslash before it")
		}
	}
	return nil
}

// open tells whether the value asks for yet another line.
func open(value string) bool {
	lines := strings.Split(value, "\n")
	for i := len(lines) - 1; i > 0; i-- {
		if !isComment(lines[i]) {
			return continues(lines[i])
		}
	}
	return continues(lines[0])
}

// v1Text trims a value as fleet 1 does.
func v1Text(s string) string {
	text := strings.TrimSpace(s)
	rest := s[strings.Index(s, text)+len(text):]
	if continues(text) && strings.HasPrefix(rest, "\n") {
		text += "\n"
	}
	return text
}
