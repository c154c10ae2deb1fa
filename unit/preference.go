package unit

// Preference is metadata that a unit would rather have than not.
type Preference struct {
	Requirement
	Weight int // 1-1000
}

// Spread asks that the instances of a template be spread evenly.
type Spread struct {
	Key      string // a metadata key, or SpreadMachine
	MaxSkew  int    // at least 1: by how many a domain may exceed the one with the fewest
	Required bool   // rather no machine than more skew
}

// SpreadMachine is the Spread.Key that stands for single machines.
const SpreadMachine = "machine"

// Strategy is how one of the machines that fit is chosen.
type Strategy string

// The strategies. A unit that reserves nothing always goes to the machine with the fewest units.
const (
	Pack         Strategy = "pack"   // the fullest
	SpreadEvenly Strategy = "spread" // the emptiest
)
