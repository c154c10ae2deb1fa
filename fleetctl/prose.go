package main

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// block is a part of the text of a command or a topic, from which the help, the manual
// pages and docs/fleetctl.md are made. It is one of three:
//
//   - lines at the left margin: a paragraph
//   - lines indented by two spaces that are a term and, in a column of its own, what it
//     means: a list
//   - other indented lines: kept as they are
type block struct {
	paragraph string // in one line
	list      []definition
	verbatim  []string // without what all lines are indented by
}

// definition is an entry of a list.
type definition struct{ name, meaning string }

// prose reads a text.
func prose(text string) []block {
	var blocks []block
	for _, group := range groupLines(text) {
		switch list := readList(group); {
		case !indented(group[0]):
			for i, line := range group {
				group[i] = strings.TrimSpace(line)
			}
			blocks = append(blocks, block{paragraph: strings.Join(group, " ")})
		case list != nil:
			blocks = append(blocks, block{list: list})
		default:
			blocks = append(blocks, block{verbatim: outdent(group)})
		}
	}
	return blocks
}

// groupLines divides lines where they become indented or cease to be, and paragraphs at empty lines.
func groupLines(text string) [][]string {
	var groups [][]string
	var group []string
	empty := 0
	flush := func() {
		if len(group) > 0 {
			groups = append(groups, group)
		}
		group = nil
	}
	for _, line := range strings.Split(text, "\n") {
		if strings.TrimSpace(line) == "" {
			empty++
			continue
		}
		if len(group) > 0 && (indented(group[0]) != indented(line) || empty > 0 && !indented(line)) {
			flush()
		}
		if len(group) > 0 && empty > 0 {
			group = append(group, "")
		}
		group, empty = append(group, line), 0
	}
	flush()
	return groups
}

func indented(line string) bool { return strings.HasPrefix(line, "  ") }

func outdent(lines []string) []string {
	least := -1
	for _, line := range lines {
		if depth := len(line) - len(strings.TrimLeft(line, " ")); line != "" && (least < 0 || depth < least) {
			least = depth
		}
	}
	out := make([]string, len(lines))
	for i, line := range lines {
		if line != "" {
			out[i] = line[least:]
		}
	}
	return out
}

// entry is the first line of an entry of a list.
var entry = regexp.MustCompile(`^  (\S(?:.*?\S)?)(  +)(\S.*)$`)

// readList returns nil for lines that are no list: in which the second column is not one, or is not the last.
func readList(lines []string) []definition {
	var list []definition
	column := 0
	for _, line := range lines {
		if m := entry.FindStringSubmatch(line); m != nil {
			at := utf8.RuneCountInString("  " + m[1] + m[2])
			if column != 0 && at != column || strings.Contains(m[3], "   ") {
				return nil
			}
			column = at
			list = append(list, definition{m[1], m[3]})
			continue
		}
		more := strings.TrimLeft(line, " ")
		if column == 0 || more == "" || len(line)-len(more) != column {
			return nil
		}
		list[len(list)-1].meaning += " " + more
	}
	if len(list) < 2 {
		return nil
	}
	return list
}

// wrap breaks a paragraph into lines of at most width runes, longer only where a word is.
func wrap(paragraph string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(paragraph) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
