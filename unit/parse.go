package unit

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	// MaxLineLen is systemd's limit in bytes: a line of the file must be shorter,
	// and lines that continue each other may together be as long.
	MaxLineLen = 1 << 20

	// maxMistakes bounds the error for a text that is no unit file at all.
	maxMistakes = 32

	byteOrderMark = "\uFEFF"

	// space is what systemd strips from lines, keys and values.
	space = " \t\r\n"
)

// Parse reads a unit file. The error joins a *SyntaxError for every mistake,
// up to 32 of them.
func Parse(raw []byte) (*File, error) {
	p := parser{file: &File{raw: string(raw), id: IDOf(raw)}}
	p.parse()
	if err := join(p.mistakes); err != nil {
		return nil, err
	}
	p.file.fleet = readSection(p.headers, p.file.assignments)
	return p.file, nil
}

type parser struct {
	file      *File
	headers   []header
	section   string
	inSection bool
	strayText bool // text before the first section was reported
	current   logicalLine
	mistakes  []*SyntaxError
}

func (p *parser) parse() {
	if i := strings.IndexByte(p.file.raw, 0); i >= 0 {
		line := 1 + strings.Count(p.file.raw[:i], "\n")
		p.fail(line, "", "a unit file is text, but here is a NUL byte")
		return
	}
	bomSeen := false
	rest, more := p.file.raw, true
	for number := 1; more && len(p.mistakes) < maxMistakes; number++ {
		var line string
		line, rest, more = cutLine(rest)
		if len(line) >= MaxLineLen {
			p.fail(number, p.section, fmt.Sprintf("line too long (systemd reads less than %d bytes)", MaxLineLen))
			return
		}
		if !bomSeen {
			line, bomSeen = strings.CutPrefix(line, byteOrderMark)
		}
		if isComment(line) {
			p.current.comment(line)
			continue
		}
		p.current.add(number, line)
		if p.current.size > MaxLineLen {
			p.fail(number, p.section, fmt.Sprintf("continued line too long (systemd reads up to %d bytes)", MaxLineLen))
			return
		}
		if !continues(line) {
			p.flush()
		}
	}
	p.flush()
}

// cutLine takes the first line off a text. A line ends, as for systemd, in
// "\n", "\r" or one of each.
func cutLine(s string) (line, rest string, more bool) {
	i := strings.IndexAny(s, "\r\n")
	if i < 0 {
		return s, "", false
	}
	next := i + 1
	if next < len(s) && s[next] != s[i] && (s[next] == '\r' || s[next] == '\n') {
		next++
	}
	return s[:i], s[next:], true
}

func isComment(line string) bool {
	line = strings.TrimLeft(line, space)
	return line != "" && (line[0] == '#' || line[0] == ';')
}

// continues tells whether a line ends in a backslash that is not itself escaped.
func continues(line string) bool {
	backslashes := len(line) - len(strings.TrimRight(line, `\`))
	return backslashes%2 == 1
}

// logicalLine is what one or, with continuations, several lines say.
type logicalLine struct {
	number int      // of the first line, 0 if there is none
	size   int      // of the lines, together
	joined []string // lines without the backslash at their end
	text   []string // the lines after the "=" as they are, comments included
	equals bool     // the "=" was seen
}

func (l *logicalLine) add(number int, line string) {
	if l.number == 0 {
		l.number = number
	}
	if l.equals {
		l.text = append(l.text, line)
	} else if _, after, found := strings.Cut(line, "="); found {
		l.equals = true
		l.text = append(l.text, after)
	}
	l.size += len(line)
	if continues(line) {
		line = line[:len(line)-1]
	}
	l.joined = append(l.joined, line)
}

// comment is a comment between continuation lines: nothing to systemd, a part
// of the value to fleet 1.
func (l *logicalLine) comment(line string) {
	if l.equals {
		l.text = append(l.text, line)
	}
}

// flush understands the logical line that has come together, as systemd's parse_line does.
func (p *parser) flush() {
	l := p.current
	p.current = logicalLine{}
	line := strings.Trim(strings.Join(l.joined, " "), space)
	if line == "" {
		return
	}
	if line[0] == '[' {
		p.header(l.number, line)
		return
	}
	if !p.inSection {
		if !p.strayText {
			p.fail(l.number, "", "text before the first section: "+excerpt(line))
		}
		p.strayText = true
		return
	}
	key, value, found := strings.Cut(line, "=")
	if !found {
		p.fail(l.number, p.section, "missing \"=\" in "+excerpt(line))
		return
	}
	key, value = strings.Trim(key, space), strings.Trim(value, space)
	if key == "" {
		p.fail(l.number, p.section, "missing key before "+excerpt(line))
		return
	}
	p.file.assignments = append(p.file.assignments, assignment{
		line:    l.number,
		section: p.section,
		key:     key,
		value:   value,
		text:    v1Text(strings.Join(l.text, "\n")),
		ignored: !utf8.ValidString(line),
	})
}

func (p *parser) header(number int, line string) {
	name, closed := strings.CutSuffix(line[1:], "]")
	if !closed {
		p.fail(number, "", "a section header ends in \"]\": "+excerpt(line))
		name, _, _ = strings.Cut(name, "]") // what follows is understood as the author meant it
	} else if msg := checkSection(name); msg != "" {
		p.fail(number, "", fmt.Sprintf("section header %s: %s", excerpt(line), msg))
	}
	p.section, p.inSection = name, true
	p.headers = append(p.headers, header{number, name})
}

// checkSection says what is wrong with a section's name, or nothing.
func checkSection(name string) string {
	if name == "" {
		return "the name is empty"
	}
	if !utf8.ValidString(name) {
		return "not UTF-8"
	}
	for _, r := range name {
		if r < ' ' || r == 0x7f || strings.ContainsRune(`[]"'\`, r) {
			return fmt.Sprintf("invalid character %q", r)
		}
	}
	return ""
}

func (p *parser) fail(line int, section, msg string) {
	p.mistakes = append(p.mistakes, &SyntaxError{Line: line, Section: section, Msg: msg})
}
