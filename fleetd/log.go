package main

import (
	"context"
	"io"
	"log/slog"
	"strings"

	"github.com/coreos/go-systemd/v22/journal"
)

// newLogger returns a logger of the format that is asked for. auto is the
// journal when standard error is connected to it, and text otherwise.
func newLogger(format string, level slog.Leveler, stderr io.Writer) *slog.Logger {
	if format == "auto" {
		format = "text"
		if ok, err := journal.StderrIsJournalStream(); err == nil && ok {
			format = "journal"
		}
	}
	options := &slog.HandlerOptions{Level: level}
	switch format {
	case "journal":
		return slog.New(&journalHandler{level: level})
	case "json":
		return slog.New(slog.NewJSONHandler(stderr, options))
	}
	return slog.New(slog.NewTextHandler(stderr, options))
}

// journalHandler sends records to journald with their attributes as fields
// FLEET_<KEY>, and repeated in the message, so that both `journalctl` and
// `journalctl FLEET_UNIT=…` are of use.
type journalHandler struct {
	level slog.Leveler
	attrs []slog.Attr
	group string
}

func (h *journalHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.attrs = append([]slog.Attr(nil), h.attrs...)
	for _, a := range attrs {
		a.Key = h.group + a.Key
		next.attrs = append(next.attrs, a)
	}
	return &next
}

func (h *journalHandler) WithGroup(name string) slog.Handler {
	next := *h
	next.group += name + "_"
	return &next
}

func (h *journalHandler) Handle(_ context.Context, r slog.Record) error {
	message := strings.Builder{}
	message.WriteString(r.Message)
	fields := make(map[string]string)
	add := func(a slog.Attr) {
		value := a.Value.Resolve().String()
		message.WriteString(" " + a.Key + "=" + value)
		fields["FLEET_"+fieldName(a.Key)] = value
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(func(a slog.Attr) bool {
		a.Key = h.group + a.Key
		add(a)
		return true
	})
	return journal.Send(message.String(), priority(r.Level), fields)
}

// fieldName keeps to what journald accepts: upper-case letters, digits and underscores.
func fieldName(key string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, key)
}

func priority(l slog.Level) journal.Priority {
	switch {
	case l >= slog.LevelError:
		return journal.PriErr
	case l >= slog.LevelWarn:
		return journal.PriWarning
	case l >= slog.LevelInfo:
		return journal.PriInfo
	}
	return journal.PriDebug
}
