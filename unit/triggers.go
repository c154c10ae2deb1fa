package unit

import "strings"

// Triggers is the unit that a timer, a path or a socket of this content starts: the one that its Unit= or Service=
// names, or else the service of its own name. It is "" for other types, for a socket with Accept=yes, which starts
// instances of a template, and where the name is not one.
func (f *File) Triggers(n Name) Name {
	section, key := "", "Unit"
	switch n.Type() {
	case Timer:
		section = "Timer"
	case Path:
		section = "Path"
	case Socket:
		section, key = "Socket", "Service"
		accept, _ := f.Value(section, "Accept")
		if instances, err := parseBool(accept); err == nil && instances {
			return ""
		}
	default:
		return ""
	}
	text, named := f.Value(section, key)
	if !named {
		return Name(n.Base() + "." + string(Service))
	}
	name, err := ParseName(strings.TrimSpace(n.Expand(text)))
	if err != nil {
		return ""
	}
	return name
}
