package unit

import (
	"slices"
	"strings"
)

// Type is a kind of systemd unit: the part of a name after the last dot.
type Type string

// The types of systemd. (busname and snapshot, which old versions had, are
// gone from systemd and so from here.)
const (
	Automount Type = "automount"
	Device    Type = "device"
	Mount     Type = "mount"
	Path      Type = "path"
	Scope     Type = "scope"
	Service   Type = "service"
	Slice     Type = "slice"
	Socket    Type = "socket"
	Swap      Type = "swap"
	Target    Type = "target"
	Timer     Type = "timer"
)

// Types returns all types in alphabetical order.
func Types() []Type {
	return []Type{Automount, Device, Mount, Path, Scope, Service, Slice, Socket, Swap, Target, Timer}
}

// Valid tells whether systemd has this type.
func (t Type) Valid() bool {
	return slices.Contains(Types(), t)
}

// Templatable tells whether units of this type may be templates and instances.
func (t Type) Templatable() bool {
	switch t {
	case Path, Service, Socket, Target, Timer:
		return true
	}
	return false
}

// Complete turns what a person types into what they mean: an argument that
// does not end in the suffix of a unit type names a service.
func Complete(arg string) string {
	if i := strings.LastIndexByte(arg, '.'); i >= 0 && Type(arg[i+1:]).Valid() {
		return arg
	}
	return arg + "." + string(Service)
}
