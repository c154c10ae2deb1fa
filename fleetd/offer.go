package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"fleet/cluster"
	"fleet/fleetd/capacity"
	"fleet/unit"
)

// offer is what this machine offers to units, by the settings and by what its host has now. The error
// names the setting that this host cannot keep.
func (s Settings) offer() (cluster.Capacity, error) {
	host, err := capacity.Probe{Directory: s.DiskDirectory, User: s.SystemdUser}.Host()
	if wrong := (*fs.PathError)(nil); errors.As(err, &wrong) && wrong.Path == s.DiskDirectory {
		return cluster.Capacity{}, fmt.Errorf("%s: expect a directory: %w", s.said("disk_directory"), err)
	}
	if err != nil {
		return cluster.Capacity{}, fmt.Errorf("find out what this host has: %w", err)
	}
	return s.offerOf(host)
}

func (s Settings) offerOf(host capacity.Host) (cluster.Capacity, error) {
	offered, err := capacity.Policy{
		MaxUnits: s.MaxUnits,
		Memory:   capacity.Rule{Capacity: s.CapacityMemory, Reserve: s.ReserveMemory},
		CPU:      capacity.Rule{Capacity: s.CapacityCPU, Reserve: s.ReserveCPU},
		Disk:     capacity.Rule{Capacity: s.CapacityDisk, Reserve: s.ReserveDisk},
		Named:    s.Resources,
	}.Offer(host)
	if large := (*capacity.ReserveError)(nil); errors.As(err, &large) {
		return cluster.Capacity{}, s.tooLarge(large)
	}
	return offered, err
}

// tooLarge says of a reserve where it was set, and how large it may be.
func (s Settings) tooLarge(e *capacity.ReserveError) error {
	why := "what this host has"
	if key := "capacity_" + e.Resource; s.given[key].text != "" {
		why = s.said(key)
	}
	return fmt.Errorf("%s: expect at most %s, which is %s", s.said("reserve_"+e.Resource), unit.AtMost(e.Resource, e.Capacity), why)
}

// offered are the attributes of a capacity in a log.
func offered(c cluster.Capacity) slog.Attr {
	attrs := []any{
		slog.Int("units", c.MaxUnits),
		slog.String("memory", unit.AtMost(unit.Memory, c.Memory)),
		slog.String("cpu", unit.AtMost(unit.CPU, c.CPU)),
		slog.String("disk", unit.AtMost(unit.Disk, c.Disk)),
	}
	if len(c.Named) > 0 {
		attrs = append(attrs, slog.Any("resources", c.Named))
	}
	return slog.Group("offer", attrs...)
}
