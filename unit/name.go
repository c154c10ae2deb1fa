package unit

import (
	"errors"
	"fmt"
	"strings"
)

// MaxNameLen is the greatest length of a unit's name in bytes.
const MaxNameLen = 255

// Name is the name of a systemd unit, such as "web@1.service".
// A Name made by ParseName is valid.
type Name string

// ParseName checks s by the rules of systemd: at most 255 bytes; letters,
// digits and ":-_.\@" before the last dot, and a known type after it; not
// empty before the first "@"; and an "@" only for the types that can be
// templates. The error says which rule s breaks.
func ParseName(s string) (Name, error) {
	if err := checkName(s); err != nil {
		shown := s
		if len(shown) > MaxNameLen {
			shown = shown[:40] + "…"
		}
		return "", fmt.Errorf("unit name %q: %w", shown, err)
	}
	return Name(s), nil
}

func checkName(s string) error {
	if s == "" {
		return errors.New("unit name cannot be empty")
	}
	if len(s) > MaxNameLen {
		return fmt.Errorf("unit name exceeds maximum length (%d)", MaxNameLen)
	}
	dot := strings.LastIndexByte(s, '.')
	if dot < 0 {
		return errors.New(`unit name must contain "."`)
	}
	base, typ := s[:dot], Type(s[dot+1:])
	if typ == "" {
		return errors.New(`unit name cannot end in "."`)
	}
	if !typ.Valid() {
		return fmt.Errorf("invalid unit type: %q", typ)
	}
	if base == "" {
		return fmt.Errorf("unit name needs something before %q", "."+typ)
	}
	if i := strings.IndexFunc(base, func(r rune) bool { return !validNameRune(r) }); i >= 0 {
		r := []rune(base[i:])[0]
		return fmt.Errorf("invalid character %q in unit name", r)
	}
	if base[0] == '@' {
		return errors.New(`unit name cannot start in "@"`)
	}
	if strings.Contains(base, "@") && !typ.Templatable() {
		return fmt.Errorf("invalid unit type for template: %q", typ)
	}
	return nil
}

func validNameRune(r rune) bool {
	switch {
	case '0' <= r && r <= '9', 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z':
		return true
	}
	return strings.ContainsRune(`:-_.\@`, r)
}

// Type is the part after the last dot.
func (n Name) Type() Type {
	return Type(n[strings.LastIndexByte(string(n), '.')+1:])
}

// Base is the name without its type; systemd's %N.
func (n Name) Base() string {
	if i := strings.LastIndexByte(string(n), '.'); i >= 0 {
		return string(n[:i])
	}
	return string(n)
}

// Prefix is the part of the base before the first "@", or all of it; systemd's %p.
func (n Name) Prefix() string {
	prefix, _, _ := strings.Cut(n.Base(), "@")
	return prefix
}

// Instance is the part of the base after the first "@"; systemd's %i. It is
// empty for a template and for a name without "@".
func (n Name) Instance() string {
	_, instance, _ := strings.Cut(n.Base(), "@")
	return instance
}

// IsTemplate tells whether the name is one like "web@.service": a file to make
// instances from, which never runs itself.
func (n Name) IsTemplate() bool {
	_, instance, found := strings.Cut(n.Base(), "@")
	return found && instance == ""
}

// IsInstance tells whether the name is one like "web@1.service".
func (n Name) IsInstance() bool {
	return n.Instance() != ""
}

// Template is the template of an instance, "" for any other name.
func (n Name) Template() Name {
	if !n.IsInstance() {
		return ""
	}
	return Name(n.Prefix() + "@." + string(n.Type()))
}

// WithInstance is the instance of this template. It fails if the name is not
// a template or the result is not a valid name.
func (n Name) WithInstance(instance string) (Name, error) {
	if !n.IsTemplate() {
		return "", fmt.Errorf("instance %q of %s: not a template", instance, n)
	}
	if instance == "" {
		return "", fmt.Errorf("instance of %s: no instance named", n)
	}
	return ParseName(n.Base() + instance + "." + string(n.Type()))
}
