package registry

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"fleet/cluster"
	"fleet/unit"
)

// keyspace makes and takes apart the keys under one prefix.
type keyspace struct{ prefix string }

// KindElection is the family of the election's keys, which hold no record.
const KindElection cluster.Kind = "engine"

// Kinds are the families of keys: those of records, and that of the election. What is of another is not read when a
// snapshot is too long for one page.
func Kinds() []cluster.Kind {
	return []cluster.Kind{
		cluster.KindUnit, cluster.KindFile, cluster.KindMachine, cluster.KindSettings, cluster.KindOrders, cluster.KindReport,
		cluster.KindPending, cluster.KindFailures, cluster.KindAgent, cluster.KindAbsence, cluster.KindAlarm, cluster.KindAck, cluster.KindEpoch,
		KindElection,
	}
}

// KindOf is the family of a key under any prefix; empty if it is of none. Ids have no "/".
func KindOf(key string) cluster.Kind {
	dir, _ := path.Split(key)
	if kind := cluster.Kind(path.Base(dir)); slices.Contains(Kinds(), kind) {
		return kind
	}
	return ""
}

func (k keyspace) key(kind cluster.Kind, id string) string {
	return k.prefix + string(kind) + "/" + id
}

func (k keyspace) unit(name unit.Name) string    { return k.key(cluster.KindUnit, string(name)) }
func (k keyspace) pending(name unit.Name) string { return k.key(cluster.KindPending, string(name)) }
func (k keyspace) failures(name unit.Name) string {
	return k.key(cluster.KindFailures, string(name))
}

func (k keyspace) file(id unit.ContentID) string { return k.key(cluster.KindFile, string(id)) }

func (k keyspace) machine(id cluster.MachineID) string {
	return k.key(cluster.KindMachine, string(id))
}

func (k keyspace) settings(id cluster.MachineID) string {
	return k.key(cluster.KindSettings, string(id))
}

func (k keyspace) orders(id cluster.MachineID) string { return k.key(cluster.KindOrders, string(id)) }

func (k keyspace) agent(id cluster.MachineID) string { return k.key(cluster.KindAgent, string(id)) }

func (k keyspace) absence(id cluster.MachineID) string {
	return k.key(cluster.KindAbsence, string(id))
}

func (k keyspace) alarm(name cluster.AlarmName) string { return k.key(cluster.KindAlarm, string(name)) }

func (k keyspace) ack(name cluster.AlarmName) string { return k.key(cluster.KindAck, string(name)) }

func (k keyspace) epoch() string { return k.key(cluster.KindEpoch, cluster.EpochID) }

func (k keyspace) report(id cluster.MachineID) string { return k.key(cluster.KindReport, string(id)) }

// candidate is the engine key of the machine whose agent holds a lease.
func (k keyspace) candidate(lease int64) string {
	return k.key(KindElection, strconv.FormatUint(uint64(lease), 16))
}

// kind are the keys of all records of a kind.
func (k keyspace) kind(kind cluster.Kind) Keys { return Keys{Name: k.key(kind, ""), Prefix: true} }
func (k keyspace) candidates() Keys            { return k.kind(KindElection) }
func (k keyspace) all() Keys                   { return Keys{Name: k.prefix, Prefix: true} }

// split tells which record a key is of.
func (k keyspace) split(key string) (cluster.Kind, string, bool) {
	rest, ok := strings.CutPrefix(key, k.prefix)
	if !ok {
		return "", "", false
	}
	kind, id, ok := strings.Cut(rest, "/")
	return cluster.Kind(kind), id, ok
}

// checkMachineID refuses what cannot stand in a key or in a line for people. The form of
// /etc/machine-id is not insisted on: an id is whatever the machine calls itself.
func checkMachineID(id cluster.MachineID) error {
	if id == "" || len(id) > 64 {
		return fmt.Errorf("machine id %.80q: not 1 to 64 characters", string(id))
	}
	for _, c := range []byte(id) {
		if !strings.ContainsRune("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.", rune(c)) {
			return fmt.Errorf("machine id %q: unexpected character %q", string(id), c)
		}
	}
	return nil
}
