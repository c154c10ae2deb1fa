// Package unit holds what fleet knows about a single systemd unit: its name,
// its file, what the [X-Fleet] section of that file demands of a machine, and
// the state systemd reports of it.
//
// Everything here is a value. Nothing does I/O, keeps a clock or logs, and
// all of it may be used from several goroutines at once.
//
// # Files
//
// A file is kept byte for byte as its author wrote it, is addressed by the
// SHA-256 of those bytes and reaches systemd unchanged. Parse reads it as
// systemd does, and refuses what systemd would warn about and then ignore
// (a line without "=", text before the first section), because the author of
// such a line wanted something that would silently not happen. One thing that
// systemd ignores with a warning is let pass: a line that is not UTF-8, unless
// it is a section header or stands in [X-Fleet]. Unit types, sections and keys
// other than those of [X-Fleet] are not judged; systemd does that.
//
// Beside this reading there is the one of fleet 1: a list of options, in which
// a continued value keeps its backslashes and line breaks, and a SHA-1 over
// it. Options, FromOptions and V1Hash speak it, for clients of the v1 API.
//
// # Rules
//
// File.Rules reads [X-Fleet]. Every mistake in it is an error with its line:
// a rule that is dropped is a unit that runs where it must not. Of the other
// sections it reads only the limits to memory and CPU in that of the unit's
// type, to reserve what systemd will grant; there systemd's own leniency
// holds, and what systemd ignores limits and reserves nothing.
//
// Amounts of resources have one spelling wherever people meet them:
// ParseAmount reads it, FormatAmount says it.
//
// The package does not tell whether rules can be met: that takes the machines
// and the other units, which are the engine's.
package unit
