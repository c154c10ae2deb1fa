package unit

import (
	"errors"
	"fmt"
	"strings"
)

// words splits a value at white space, as systemd does: a part in double
// quotes, or in single quotes at the start of a word, is not split and loses
// its quotes. There are no escapes.
func words(value string) ([]string, error) {
	var (
		all    []string
		word   strings.Builder
		inWord bool
		quote  rune
	)
	for _, r := range value {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '"', r == '\'' && !inWord:
			quote, inWord = r, true
		case strings.ContainsRune(space, r):
			if inWord {
				all = append(all, word.String())
			}
			word.Reset()
			inWord = false
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, errors.New("a quote is not closed")
	}
	if inWord {
		all = append(all, word.String())
	}
	return all, nil
}

// nameWords splits a value that lists names, which have no white space: quotes
// around several of them group nothing.
func nameWords(value string) ([]string, error) {
	quoted, err := words(value)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, word := range quoted {
		names = append(names, fields(word)...)
	}
	if len(names) == 0 {
		return nil, errors.New("nothing but quotes")
	}
	return names, nil
}

// requirementWords splits a value of MachineMetadata. Without quotes all of it
// is one requirement, as in fleet 1, so that a value with spaces needs none;
// if it looks like several, quotes are asked for.
func requirementWords(value string) ([]string, error) {
	if strings.ContainsRune(value, '"') || strings.HasPrefix(value, "'") {
		return words(value)
	}
	all := fields(value)
	if len(all) == 1 {
		return all, nil
	}
	several := !strings.Contains(all[0], "=")
	for _, f := range all[1:] {
		several = several || strings.HasPrefix(f, "!") || strings.Contains(f, "=")
	}
	if several {
		return nil, fmt.Errorf(`%s looks like several requirements; write them as "a=b" "c=d", with the quotes`, excerpt(value))
	}
	return []string{value}, nil
}

func fields(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(space, r) })
}
