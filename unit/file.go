package unit

import "slices"

// File is a unit file: its bytes, and what they say. It does not change.
type File struct {
	raw         string
	id          ContentID
	assignments []assignment
	fleet       fleetSection
}

// header is one "[Section]" line.
type header struct {
	line    int
	section string
}

// assignment is one "key=value" of a file, however many lines it takes.
type assignment struct {
	line    int // its first
	section string
	key     string
	value   string // as systemd reads it: continuation lines joined, comments between them left out
	text    string // as fleet 1 reads it: see Option
	ignored bool   // not UTF-8: systemd acts as if it were not there
}

// Bytes is the file as it was given to Parse, in a slice of the caller's own.
func (f *File) Bytes() []byte { return []byte(f.raw) }

// Len is how many bytes that are.
func (f *File) Len() int { return len(f.raw) }

// ID addresses the file by its bytes.
func (f *File) ID() ContentID { return f.id }

// Values returns the values of a key in file order, over all sections of that
// name, as systemd has them: an empty assignment drops those before it.
func (f *File) Values(section, key string) []string {
	var values []string
	for _, a := range f.assignments {
		if a.section != section || a.key != key || a.ignored {
			continue
		}
		if a.value == "" {
			values = nil
			continue
		}
		values = append(values, a.value)
	}
	return values
}

// Value returns the last value of a key, which is the one that counts where
// systemd takes only one.
func (f *File) Value(section, key string) (string, bool) {
	values := f.Values(section, key)
	if len(values) == 0 {
		return "", false
	}
	return values[len(values)-1], true
}

// HasInstall tells whether [Install] says anything that systemd can act on
// when the unit is enabled. DefaultInstance= alone does not.
func (f *File) HasInstall() bool {
	return slices.ContainsFunc([]string{"WantedBy", "RequiredBy", "UpheldBy", "Alias", "Also"}, func(key string) bool {
		return len(f.Values("Install", key)) > 0
	})
}
