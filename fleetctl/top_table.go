package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"fleet/api"
	"fleet/unit"
)

// topRow is a machine in top.
type topRow struct {
	api.Machine
	failed int // units
}

// topColumns are what top shows of a machine; bars are for screens.
func topColumns(bars bool) []column[topRow] {
	share := func(resource string, of func(api.Resources) int64) column[topRow] {
		part := func(r topRow) float64 { return portion(of(reservedOf(r.Machine)), of(capacityOf(r.Machine))) }
		return column[topRow]{
			name: resource,
			cell: func(r topRow, s shape) string {
				return shareWords(resource, of(reservedOf(r.Machine)), of(capacityOf(r.Machine)), s.full, bars)
			},
			order: func(x, y topRow) int { return cmp.Compare(part(x), part(y)) },
			style: func(r topRow) style { return shareStyle(part(r)) },
		}
	}
	return []column[topRow]{
		{name: "machine", cell: func(r topRow, s shape) string { return place(r.ID, r.PrimaryIP, s.full) }},
		{
			name:  "state",
			cell:  text(func(r topRow) string { return machineState(r.Machine) }),
			style: func(r topRow) style { return machineStyle(r.Machine) },
		},
		{
			name: "units",
			cell: text(func(r topRow) string {
				if r.Capacity != nil && r.Capacity.MaxUnits > 0 {
					return fmt.Sprintf("%d/%d", r.Units, r.Capacity.MaxUnits)
				}
				return fmt.Sprint(r.Units)
			}),
			order: func(x, y topRow) int { return cmp.Compare(x.Units, y.Units) },
		},
		{
			name:  "failed",
			cell:  text(func(r topRow) string { return fmt.Sprint(r.failed) }),
			order: func(x, y topRow) int { return cmp.Compare(x.failed, y.failed) },
			style: func(r topRow) style {
				if r.failed > 0 {
					return red
				}
				return plain
			},
		},
		share(unit.Memory, func(r api.Resources) int64 { return r.Memory }),
		share(unit.CPU, func(r api.Resources) int64 { return r.CPU }),
		share(unit.Disk, func(r api.Resources) int64 { return r.Disk }),
		{name: "other", cell: func(r topRow, _ shape) string {
			var parts []string
			offered, reserved := capacityOf(r.Machine).Named, reservedOf(r.Machine).Named
			names := maps.Clone(offered)
			if names == nil {
				names = make(map[string]int64)
			}
			maps.Copy(names, reserved)
			for _, name := range slices.Sorted(maps.Keys(names)) {
				parts = append(parts, fmt.Sprintf("%s=%d/%d", name, reserved[name], offered[name]))
			}
			return strings.Join(parts, ",")
		}},
	}
}

// portion is how much of what is offered is reserved.
func portion(reserved, offered int64) float64 {
	if offered <= 0 {
		return 0
	}
	return float64(reserved) / float64(offered)
}

// shareStyle warns before a machine is full.
func shareStyle(part float64) style {
	switch {
	case part >= 0.9:
		return red
	case part >= 0.7:
		return yellow
	}
	return plain
}

const barLength = 10

// shareWords are "3G/8G 37%", and nothing if nothing is offered or reserved.
func shareWords(resource string, reserved, offered int64, full, bar bool) string {
	format := unit.Roughly
	if full {
		format = unit.FormatAmount
	}
	switch {
	case reserved == 0 && offered == 0:
		return ""
	case offered <= 0:
		return format(resource, reserved)
	}
	part := portion(reserved, offered)
	words := fmt.Sprintf("%s/%s %s", format(resource, reserved), format(resource, offered), percent(part))
	if !bar {
		return words
	}
	filled := max(0, min(barLength, int(part*barLength+0.5)))
	return "[" + strings.Repeat("|", filled) + strings.Repeat(" ", barLength-filled) + "] " + words
}
