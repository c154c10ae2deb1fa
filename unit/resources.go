package unit

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

// Needs is what a unit reserves on its machine.
type Needs struct {
	Resources

	// MemoryShare is the memory in hundredths of a percent of what the machine physically has
	// (MemoryMax=50%). It is used where Resources.Memory is 0, and rounded up to a byte.
	MemoryShare int64
}
