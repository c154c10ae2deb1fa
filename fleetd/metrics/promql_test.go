package metrics_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// query is what a test has to know of a query of Prometheus: which series it takes, and by which labels it joins
// them. It is found by a scanner that knows the words of PromQL and the places where labels stand, and
// refuses what it does not know; it is no parser of expressions.
type query struct {
	selectors []selector
	labels    []string // in by, without, on, ignoring and group_left
}

// selector is one metric with its matchers.
type selector struct {
	metric   string
	matchers []matcher
	ranged   bool   // it takes samples over some time
	function string // whose argument it is; empty: none
}

type matcher struct{ label, op, value string }

var (
	promTokens = regexp.MustCompile(`^(?:\s+|("(?:[^"\\]|\\.)*")|([a-zA-Z_:][a-zA-Z0-9_:]*)|([0-9][0-9.]*(?:e[+-]?[0-9]+)?(?:ms|[smhdwy])?)|(=~|!~|!=|==|<=|>=|[-+*/%^(){}\[\],=<>:]))`)

	promFunctions   = strings.Fields("rate increase irate delta changes resets histogram_quantile time vector abs clamp_min clamp_max max_over_time min_over_time avg_over_time")
	promAggregators = strings.Fields("sum min max avg count topk bottomk quantile")
	promLabelled    = strings.Fields("by without on ignoring group_left group_right")
	promWords       = strings.Fields("bool and or unless offset")
	promRanged      = strings.Fields("rate increase irate delta changes resets max_over_time min_over_time avg_over_time")
)

type scanner struct {
	tokens []string
	at     int
	q      query
	open   []string // brackets, and the functions that they belong to
}

func parseQuery(text string) (query, error) {
	s := scanner{}
	for rest := text; rest != ""; {
		m := promTokens.FindString(rest)
		if m == "" {
			return query{}, fmt.Errorf("unexpected %.20q", rest)
		}
		rest = rest[len(m):]
		if m = strings.TrimSpace(m); m != "" {
			s.tokens = append(s.tokens, m)
		}
	}
	for s.at < len(s.tokens) {
		if err := s.step(); err != nil {
			return query{}, fmt.Errorf("%w, behind %q", err, strings.Join(s.tokens[:min(s.at, len(s.tokens))], " "))
		}
	}
	if len(s.open) > 0 {
		return query{}, fmt.Errorf("a bracket is not closed")
	}
	return s.q, nil
}

func (s *scanner) peek() string {
	if s.at < len(s.tokens) {
		return s.tokens[s.at]
	}
	return ""
}

func (s *scanner) next() string {
	token := s.peek()
	s.at++
	return token
}

func (s *scanner) expect(token string) error {
	if got := s.next(); got != token {
		return fmt.Errorf("%q where %q is expected", got, token)
	}
	return nil
}

func isWord(token string) bool {
	return token != "" && regexp.MustCompile(`^[a-zA-Z_]`).MatchString(token)
}

func (s *scanner) step() error {
	token := s.next()
	switch {
	case slices.Contains(promLabelled, token):
		return s.list()
	case slices.Contains(promWords, token):
		return nil
	case slices.Contains(promFunctions, token) || slices.Contains(promAggregators, token):
		if next := s.peek(); next == "by" || next == "without" {
			s.at++
			if err := s.list(); err != nil {
				return err
			}
		}
		s.open = append(s.open, token)
		return s.expect("(")
	case isWord(token):
		return s.selector(token)
	case token == "(":
		s.open = append(s.open, "")
	case token == ")":
		if len(s.open) == 0 {
			return fmt.Errorf("a bracket is closed that was not opened")
		}
		s.open = s.open[:len(s.open)-1]
	case strings.ContainsAny(token, "{}[]"):
		return fmt.Errorf("%q belongs to no metric", token)
	}
	return nil
}

// list takes labels in brackets.
func (s *scanner) list() error {
	if err := s.expect("("); err != nil {
		return err
	}
	for s.peek() != ")" {
		label := s.next()
		if !isWord(label) {
			return fmt.Errorf("%q is no label", label)
		}
		s.q.labels = append(s.q.labels, label)
		if s.peek() == "," {
			s.at++
		}
	}
	return s.expect(")")
}

func (s *scanner) selector(metric string) error {
	sel := selector{metric: metric}
	if len(s.open) > 0 {
		sel.function = s.open[len(s.open)-1]
	}
	if s.peek() == "{" {
		s.at++
		for s.peek() != "}" {
			m := matcher{label: s.next(), op: s.next(), value: s.next()}
			if !isWord(m.label) || !slices.Contains([]string{"=", "!=", "=~", "!~"}, m.op) || !strings.HasPrefix(m.value, `"`) {
				return fmt.Errorf("%q is no matcher", m.label+m.op+m.value)
			}
			m.value = strings.Trim(m.value, `"`)
			sel.matchers = append(sel.matchers, m)
			if s.peek() == "," {
				s.at++
			}
		}
		s.at++
	}
	if s.peek() == "[" {
		s.at++
		if d := s.next(); !regexp.MustCompile(`^[0-9]+(ms|[smhdwy])$`).MatchString(d) {
			return fmt.Errorf("%q is no time", d)
		}
		sel.ranged = true
		if err := s.expect("]"); err != nil {
			return err
		}
	}
	s.q.selectors = append(s.q.selectors, sel)
	return nil
}
