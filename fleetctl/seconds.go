package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	defaultRequestTimeout = 10 * time.Second

	// endpointPatience is how long one of several endpoints may take to answer
	// before the next is tried.
	endpointPatience = 3 * time.Second

	// defaultTimeout is longer than systemd's own default limits for a stop and
	// a start in a row (90 s each), so that it is systemd's verdict that is reported.
	defaultTimeout = 5 * time.Minute
)

// seconds is a flag that is a number of seconds, as in fleet 1, or a duration such as 1m30s.
type seconds time.Duration

func (s *seconds) String() string {
	text := time.Duration(*s).String()
	if minutes, whole := strings.CutSuffix(text, "m0s"); whole {
		return minutes + "m"
	}
	return text
}

// Type is the word for the value in the help.
func (s *seconds) Type() string { return "duration" }

// Set reads the flag.
func (s *seconds) Set(text string) error {
	d, err := time.ParseDuration(text)
	if n, notNumber := strconv.ParseFloat(text, 64); notNumber == nil && n < 1e9 {
		d, err = time.Duration(n*float64(time.Second)), nil
	}
	if err != nil || d < 0 {
		return fmt.Errorf("expect seconds or a duration such as 1m30s, not %q", text)
	}
	*s = seconds(d)
	return nil
}
