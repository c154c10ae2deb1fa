package unit

import (
	"errors"
	"fmt"
	"strings"
)

// Expand replaces the specifiers that concern the unit's name (%n %N %p %i %j %%), for
// showing. Text with any other is returned as it is, and so is that of a template about its instances.
func (n Name) Expand(text string) string {
	if expanded, byInstance, err := expand(text, n); err == nil && !(byInstance && n.IsTemplate()) {
		return expanded
	}
	return text
}

// expand replaces the specifiers of systemd that [X-Fleet] knows.
// byInstance tells whether one of them stands for something that a template
// does not have.
func expand(s string, n Name) (text string, byInstance bool, err error) {
	if !strings.Contains(s, "%") {
		return s, false, nil
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "%")
		b.WriteString(before)
		if !found {
			return b.String(), byInstance, nil
		}
		if after == "" {
			return "", false, errors.New(`"%" at the end; write "%%" for a percent sign`)
		}
		switch after[0] {
		case 'n':
			b.WriteString(string(n))
			byInstance = true
		case 'N':
			b.WriteString(n.Base())
			byInstance = true
		case 'i':
			b.WriteString(n.Instance())
			byInstance = true
		case 'p':
			b.WriteString(n.Prefix())
		case 'j':
			prefix := n.Prefix()
			b.WriteString(prefix[strings.LastIndexByte(prefix, '-')+1:])
		case '%':
			b.WriteByte('%')
		default:
			r := []rune(after)[0]
			return "", false, fmt.Errorf(`unknown specifier "%%%c"; known are %%n %%N %%p %%i %%j, and %%%% for a percent sign`, r)
		}
		s = after[1:]
	}
}
