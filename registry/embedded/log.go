package embedded

import (
	"log/slog"
	"maps"
	"slices"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// bridge returns a logger for etcd that hands its warnings and errors to
// log. etcd tells every step of its start and of each compaction at a lower level.
func bridge(log *slog.Logger) *zap.Logger {
	if log == nil {
		return zap.NewNop()
	}
	return zap.New(core{log: log})
}

// intended are warnings about what this package does on purpose, and nobody need be woken for.
var intended = []string{
	"Running http and grpc server on single port. This is not recommended for production.",
	"setting up serving from embedded etcd failed.", // what fails otherwise comes from Server.Err
	"stopping insecure grpc server due to error",
	"stopped insecure grpc server due to error",
	"stopping secure grpc server due to error",
	"stopped secure grpc server due to error",
	"simple token is not cryptographically signed", // no user can be added to an embedded member's cluster through fleet
}

// core is zap's interface to whatever writes a log.
type core struct {
	log    *slog.Logger
	fields []zapcore.Field
}

func (c core) Enabled(level zapcore.Level) bool { return level >= zapcore.WarnLevel }

func (c core) With(fields []zapcore.Field) zapcore.Core {
	return core{log: c.log, fields: slices.Concat(c.fields, fields)}
}

func (c core) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(entry.Level) {
		return checked.AddCore(entry, c)
	}
	return checked
}

func (c core) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	log := c.log.Error
	switch {
	case slices.Contains(intended, entry.Message):
		log = c.log.Debug
	case entry.Level == zapcore.WarnLevel:
		log = c.log.Warn
	}
	values := zapcore.NewMapObjectEncoder()
	for _, field := range slices.Concat(c.fields, fields) {
		field.AddTo(values)
	}
	var attrs []any
	for _, key := range slices.Sorted(maps.Keys(values.Fields)) {
		attrs = append(attrs, slog.Any(key, values.Fields[key]))
	}
	log("etcd: "+entry.Message, slog.Group("etcd", attrs...))
	return nil
}

func (c core) Sync() error { return nil }
