package main

import (
	"fmt"
	"slices"
	"strings"

	"fleet/unit"
)

// systemdStates are the words of "systemctl --state=help" for the units that fleet knows, up to systemd 258.
var systemdStates = []struct {
	of    string
	words []string
}{
	{"load", []string{"bad-setting", "error", "loaded", "masked", "merged", "not-found", "stub"}},
	{"active", []string{
		"activating", "active", "deactivating", "failed", "inactive", "maintenance", "refreshing", "reloading",
	}},
	{"sub", []string{
		"auto-restart", "auto-restart-queued", "cleaning", "condition", "dead", "dead-before-auto-restart", "dead-resources-pinned",
		"deferred", "elapsed", "exited", "failed-before-auto-restart", "final-sigkill", "final-sigterm", "final-watchdog",
		"listening", "mounted", "mounting", "mounting-done", "refresh-credentials", "refresh-extensions", "reload", "reload-notify",
		"reload-post", "reload-signal", "remounting", "remounting-sigkill", "remounting-sigterm", "running", "start", "start-chown",
		"start-open", "start-post", "start-pre", "stop", "stop-post", "stop-pre", "stop-pre-sigkill", "stop-pre-sigterm", "stop-sigkill",
		"stop-sigterm", "stop-watchdog", "unmounting", "unmounting-sigkill", "unmounting-sigterm", "waiting",
	}},
}

// checkStates refuses words that no unit's state ever is: a list that is empty for a misspelt word
// looks like good news. own are fleet's words besides systemd's.
func checkStates(words, own []string) error {
	known := slices.Clone(own)
	var text []string
	if len(own) > 0 {
		text = append(text, "fleet's "+strings.Join(own, ", "))
	}
	for _, kind := range systemdStates {
		known = append(known, kind.words...)
		text = append(text, kind.of+" "+strings.Join(kind.words, ", "))
	}
	for _, word := range words {
		if slices.Contains(known, word) {
			continue
		}
		meant := ""
		if nearest, ok := unit.Nearest(word, known); ok {
			meant = fmt.Sprintf("did you mean %s? ", nearest)
		}
		return usage(fmt.Errorf("--state %q: %sexpect one of %s", word, meant, strings.Join(text, "; ")))
	}
	return nil
}
