package unit

import (
	"slices"
	"strings"
)

// findKey returns the index of the key with this spelling.
func findKey(spelling string) (int, bool) {
	i := slices.IndexFunc(keys, func(k key) bool {
		return k.name == spelling || slices.Contains(k.legacy, spelling)
	})
	return i, i >= 0
}

// unknownKey says what might have been meant.
func unknownKey(spelling string) string {
	meant := make(map[string]string) // the modern name of every spelling
	var names, spellings []string
	for _, k := range keys {
		if k.hidden {
			continue
		}
		names = append(names, k.name)
		for _, s := range append([]string{k.name}, k.legacy...) {
			meant[s] = k.name
			spellings = append(spellings, s)
		}
	}
	if best, ok := Nearest(spelling, spellings); ok {
		return "unknown key; did you mean " + meant[best] + "?"
	}
	return "unknown key; known are " + strings.Join(names, ", ")
}

// Nearest returns the known word that a person most likely meant by one that is
// not known, if any of them is near: few letters differ, case and punctuation aside.
func Nearest(word string, known []string) (best string, ok bool) {
	nearest := 1 + max(2, len(word)/4)
	for _, k := range known {
		if d := distance(letters(word), letters(k)); d < nearest {
			best, nearest = k, d
		}
	}
	return best, best != ""
}

// letters makes spellings comparable: what differs only in case or
// punctuation is the same word.
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r > 0x7f:
			return r
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		}
		return -1
	}, s)
}

// distance is the number of letters to insert, drop or change to make b of a
// (Levenshtein). Beyond any length of a key it does not look closely.
func distance(a, b string) int {
	const longest = 64
	if max(len(a), len(b)) > longest {
		return longest
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
