package schedule

import (
	"strings"

	"pgregory.net/rapid"

	"fleet/cluster"
	"fleet/unit"
)

// wild mixes resources, priorities, cordons and moves into the histories.
const wild = true

// The worlds are small, so that units get into each other's way.
var (
	someMachines = []cluster.MachineID{"m1", "m2", "m3", "m4"}
	someUnits    = []unit.Name{
		"a.service", "b.service", "c.service", "d.service", "web@1.service", "web@2.service", "web@3.service",
	}
	someGlobs = []string{"a.service", "b.service", "c.service", "web@*.service", "web@1.service", "?.service"}
)

var (
	someNeeds = []string{
		"", "", "MemoryReserve=1G", "MemoryReserve=2G", "MemoryReserve=3G", "MemoryReserve=4G",
		"Reserve=gpu=1", "CPUReserve=1", "[Service]\nMemoryMax=50%\n[X-Fleet]",
	}
	somePriorities = []string{"", "", "", "Priority=100", "Priority=500", "Priority=1000"}
	someWishes     = []string{
		"", "", "PreferMetadata=zone=x", "PreferMetadata=5:zone=x 3:zone=y", "Spread=zone", "Spread=zone:1:required",
		"Spread=zone machine", "Strategy=spread", "Preempt=no", "Movable=no", "Reschedule=on-failure",
		"HandOver=stop-first", "HandOver=stop-first\nMaxUnavailable=2", "MachineMetadata=zone in (x, y)",
	}
	someLosses = []string{"", "", "", "OnLost=wait", "OnLost=replace", "ReplaceAfter=20", "AtMostOnce=yes", "AtMostOnce=yes", "AtMostOnce=yes\nOnFence=freeze"}
)

func someCapacity() *rapid.Generator[cluster.Capacity] {
	return rapid.Custom(func(t *rapid.T) cluster.Capacity {
		c := cluster.Capacity{MaxUnits: rapid.SampledFrom([]int{0, 0, 0, 1, 2, 3}).Draw(t, "units")}
		c.Memory = int64(rapid.SampledFrom([]int{8, 4, 2, 0}).Draw(t, "memory")) << 30
		c.PhysicalMemory = c.Memory + 1<<30
		c.CPU = int64(rapid.SampledFrom([]int{4000, 1000}).Draw(t, "cpu"))
		if gpu := rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "gpu"); gpu > 0 {
			c.Named = map[string]int64{"gpu": int64(gpu)}
		}
		return c
	})
}

// someLooseText is a unit file of a unit that has nothing to do with others, but for their room.
func someLooseText() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		lines := []string{"[X-Fleet]"}
		for _, choices := range [][]string{someNeeds, somePriorities, someWishes, {"", "", "MachineMetadata=zone=x", "MachineMetadata=zone"}} {
			lines = append(lines, rapid.SampledFrom(choices).Draw(t, "line"))
		}
		return strings.Join(lines, "\n") + "\n"
	})
}

// someText is a unit file with up to two rules, and perhaps needs and wishes.
func someText(wild bool) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
		lines := []string{"[Service]", "ExecStart=/bin/" + pick("version", "true", "false"), "[X-Fleet]"}
		rules := []string{
			"",
			"MachineMetadata=zone=" + pick("zone", "x", "y"),
			"MachineMetadata=zone!=" + pick("not zone", "x", "y"),
			"MachineID=" + string(rapid.SampledFrom(someMachines).Draw(t, "on")),
			"MachineOf=" + string(rapid.SampledFrom(someUnits).Draw(t, "peer")),
			"Conflicts=" + rapid.SampledFrom(someGlobs).Draw(t, "conflict"),
			"Replaces=" + rapid.SampledFrom(someGlobs).Draw(t, "replace"),
			"Global=true",
		}
		lines = append(lines, rapid.SliceOfN(rapid.SampledFrom(rules), 0, 2).Draw(t, "rules")...)
		if !wild {
			return strings.Join(lines, "\n") + "\n"
		}
		lines = append(lines, pick("needs", someNeeds...), pick("priority", somePriorities...), pick("wish", someWishes...), pick("loss", someLosses...))
		return strings.Join(lines, "\n") + "\n"
	})
}
