package unit

import (
	"fmt"
	"maps"
	"strings"
)

const (
	wholeShare = 10_000     // all of a machine's memory in the unit of Needs.MemoryShare
	unlimited  = "infinity" // systemd's word for no limit: nothing is reserved
)

// ownNeeds is what the limits in the section of the unit's own type ask for: what systemd will hold
// the unit to is what it may use, so that is reserved. A value that systemd ignores limits nothing.
func (f *File) ownNeeds(t Type) Needs {
	var n Needs
	section, limited := limitedSection(t)
	if !limited {
		return n
	}
	// MemoryLimit= is what MemoryMax= was called; systemd heeds it only where no newer key is set.
	for _, key := range []string{"MemoryMax", "MemoryHigh", "MemoryLimit"} {
		if n.Memory, n.MemoryShare = f.memoryLimit(section, key); n.Memory > 0 || n.MemoryShare > 0 {
			break
		}
	}
	n.CPU = f.cpuQuota(section)
	return n
}

// limitedSection is the section in which units of a type have limits, if they have processes at all.
func limitedSection(t Type) (string, bool) {
	switch t {
	case Service, Socket, Mount, Swap, Slice, Scope:
		return strings.ToUpper(string(t[:1])) + string(t[1:]), true
	}
	return "", false
}

// memoryLimit reads one of systemd's limits: bytes, or a share of the machine's memory; neither if
// there is no limit. A limit beyond MaxAmount is none on any machine.
func (f *File) memoryLimit(section, key string) (bytes, share int64) {
	for _, value := range f.Values(section, key) {
		if value == unlimited {
			bytes, share = 0, 0
			continue
		}
		s, err := parseShare(value)
		if err == nil && s <= wholeShare {
			if s > 0 { // a limit of nothing is out of range to systemd
				bytes, share = 0, s
			}
			continue
		}
		b, err := parseBytes(value)
		switch {
		case err != nil || b == 0:
		case b > maxBytes:
			bytes, share = 0, 0
		default:
			bytes, share = int64(b), 0
		}
	}
	return bytes, share
}

// cpuQuota reads CPUQuota= in thousandths of a CPU. To systemd "infinity" is no quota but a mistake.
func (f *File) cpuQuota(section string) (thousandths int64) {
	for _, value := range f.Values(section, "CPUQuota") {
		if share, err := parseShare(value); err == nil && share > 0 {
			thousandths = (share + 9) / 10
		}
	}
	return thousandths
}

func addMemoryReserve(r *Rules, v value) (err error) {
	r.Needs.Memory, r.Needs.MemoryShare = 0, 0
	if strings.HasSuffix(v.text, "%") {
		share, err := parseShare(v.text)
		if err != nil || share > wholeShare {
			return fmt.Errorf("%s is no share of a machine's memory between 0%% and 100%%, such as 50%% or 33.33%%", excerpt(v.text))
		}
		r.Needs.MemoryShare = share
		return nil
	}
	r.Needs.Memory, err = parseReserve(Memory, v.text)
	return err
}

func addCPUReserve(r *Rules, v value) (err error) {
	r.Needs.CPU, err = parseReserve(CPU, v.text)
	return err
}

func addDiskReserve(r *Rules, v value) (err error) {
	r.Needs.Disk, err = parseReserve(Disk, v.text)
	return err
}

func parseReserve(resource, text string) (int64, error) {
	if text == unlimited {
		return 0, nil
	}
	return ParseAmount(resource, text)
}

// addReserve takes name=amount. An amount of 0 stays until all is read, to be found if it comes again.
func addReserve(r *Rules, v value) error {
	name, text, found := strings.Cut(v.text, "=")
	if !found {
		return fmt.Errorf("%s is not name=amount, such as gpu=1", excerpt(v.text))
	}
	if err := CheckResource(name); err != nil {
		return err
	}
	amount, err := ParseAmount(name, text)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if _, again := r.Needs.Named[name]; again {
		return fmt.Errorf("%s is reserved twice", name)
	}
	if r.Needs.Named == nil {
		r.Needs.Named = make(map[string]int64)
	}
	r.Needs.Named[name] = amount
	return nil
}

// dropZeros makes needs of nothing the zero value.
func (n *Needs) dropZeros() {
	maps.DeleteFunc(n.Named, func(_ string, amount int64) bool { return amount == 0 })
	if len(n.Named) == 0 {
		n.Named = nil
	}
}
