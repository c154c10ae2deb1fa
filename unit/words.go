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
		return quotedRequirements(value)
	}
	all := joinSets(fields(value))
	if len(all) == 1 {
		return []string{value}, nil
	}
	several := !strings.Contains(all[0], "=")
	for _, f := range all[1:] {
		set := strings.Contains(f, " ") && strings.HasSuffix(f, ")")
		several = several || set || strings.HasPrefix(f, "!") || strings.Contains(f, "=")
	}
	if several {
		return nil, fmt.Errorf(`%s looks like several requirements; write them as "a=b" "c=d", with the quotes`, excerpt(value))
	}
	return []string{value}, nil
}

// preferenceWords splits a value of PreferMetadata at white space, except in a set.
func preferenceWords(value string) ([]string, error) {
	if strings.ContainsAny(value, `"'`) {
		return quotedRequirements(value)
	}
	return joinSets(fields(value)), nil
}

// quotedRequirements are words, and none of them a part of a set whose parentheses the quotes
// would have cut somewhere else than its author sees.
func quotedRequirements(value string) ([]string, error) {
	all, err := words(value)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if startsSet(all[i:]) {
			return nil, fmt.Errorf(`%s: beside quotes a set needs them too, around all of it: "%s in (a, b)"`, excerpt(value), shorten(all[i]))
		}
	}
	return all, nil
}

// joinSets puts together again what stands in the words of "key in (a, b)".
func joinSets(fields []string) []string {
	var all []string
	for i := 0; i < len(fields); i++ {
		first := i
		if startsSet(fields[i:]) {
			for i++; i < len(fields)-1 && !strings.HasSuffix(fields[i], ")"); i++ {
			}
		}
		all = append(all, strings.Join(fields[first:i+1], " "))
	}
	return all
}

// startsSet tells whether the first of these words is the key of a set.
func startsSet(words []string) bool {
	if len(words) < 2 || strings.Contains(words[0], "=") {
		return false
	}
	word, _ := cutWord(words[1], "(")
	return setWord(word)
}

// whole takes a value that is not a list as it stands.
func whole(value string) ([]string, error) { return []string{value}, nil }

func fields(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(space, r) })
}
