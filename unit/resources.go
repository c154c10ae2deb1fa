package unit

import (
	"errors"
	"fmt"
	"strings"
)

// Resources are amounts of what a machine has and units reserve. The zero value is nothing.
type Resources struct {
	Memory int64            // bytes
	CPU    int64            // thousandths of a CPU
	Disk   int64            // bytes
	Named  map[string]int64 // countable ones with names of the operator's own: gpu, license
}

// Names of the resources that every fleet knows, beside those an operator names.
const (
	Memory = "memory"
	CPU    = "cpu"
	Disk   = "disk"
	Slots  = "units" // how many units a machine accepts; every unit takes one
)

// CheckResource refuses what cannot be the name of a countable resource: 1-63 letters, digits and "-_./",
// and none of the names that every fleet knows.
func CheckResource(name string) error {
	const longest = 63
	switch name {
	case "":
		return errors.New("a resource needs a name")
	case Memory:
		return fmt.Errorf("%s is no resource to be counted; %s= reserves it", name, keyMemoryReserve)
	case CPU:
		return fmt.Errorf("%s is no resource to be counted; %s= reserves it", name, keyCPUReserve)
	case Disk:
		return fmt.Errorf("%s is no resource to be counted; %s= reserves it", name, keyDiskReserve)
	case Slots:
		return fmt.Errorf("every unit takes one of a machine's %s; nothing is reserved of them", name)
	}
	if len(name) > longest {
		return fmt.Errorf("resource %s: a name has at most %d characters", excerpt(name), longest)
	}
	odd := func(r rune) bool { return !validNameRune(r) && r != '/' || r == ':' || r == '\\' || r == '@' }
	if strings.ContainsFunc(name, odd) {
		return fmt.Errorf("resource %s: a name has letters, digits and \"-_./\" only", excerpt(name))
	}
	return nil
}

// Needs is what a unit reserves on its machine.
type Needs struct {
	Resources

	// MemoryShare is the memory in hundredths of a percent of what the machine physically has
	// (MemoryMax=50%). It is used where Resources.Memory is 0, and rounded up to a byte.
	MemoryShare int64
}

// ShareOf is so many hundredths of a percent of a whole, rounded up. It does not overflow up to the whole.
func ShareOf(whole, parts int64) int64 {
	const all = 10000
	return whole/all*parts + (whole%all*parts+all-1)/all
}
