package unit

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// Glob is a pattern for unit names in the syntax of path.Match, except that a
// backslash stands for itself as in all of systemd's patterns: unit names
// have backslashes (dev-foo\x2dbar.device) and no characters to escape. A
// pattern without "*", "?" and "[" is the name itself.
type Glob string

// ParseGlob refuses a pattern that can never match a unit.
func ParseGlob(s string) (Glob, error) {
	g := Glob(s)
	return g, g.check()
}

// Match tells whether the pattern fits the whole of a name. A Glob that File.Rules did
// not return may be malformed; it matches nothing.
func (g Glob) Match(n Name) bool {
	if name, exact := g.Exact(); exact {
		return name == n
	}
	matched, err := path.Match(g.escaped(), string(n))
	return matched && err == nil
}

// Exact returns the one name that the pattern matches, if it is a plain name.
func (g Glob) Exact() (Name, bool) {
	return Name(g), !strings.ContainsAny(string(g), "*?[")
}

func (g Glob) escaped() string {
	return strings.ReplaceAll(string(g), `\`, `\\`)
}

// check refuses what can never match a unit: a malformed pattern, and a plain
// name that is no unit's.
func (g Glob) check() error {
	if _, exact := g.Exact(); exact {
		_, err := parseWritten(string(g))
		return err
	}
	if _, err := path.Match(g.escaped(), ""); errors.Is(err, path.ErrBadPattern) {
		return fmt.Errorf("malformed pattern %s", excerpt(string(g)))
	}
	return nil
}
