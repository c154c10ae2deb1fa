package simulation

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// kind is a sort of unit that fate's user submits.
type kind struct {
	text string
	// free units have no rules, and no other names them: nothing but their user, their
	// machine's loss and their own end can ever stop them.
	free  bool
	fails bool // it cannot be started
	ends  bool // it runs for a while only
}

var kinds = []kind{
	{text: service, free: true},
	{text: service + "Restart=always\n", free: true},
	{text: service + "[X-Test]\nStartSec=2s\nStopSec=3s\n", free: true},
	{text: service + "[X-Test]\nStopSec=20s\n", free: true},
	{text: "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sleep 8\n", free: true},
	{text: "[Service]\nType=oneshot\nExecStart=/bin/sleep 8\n", free: true, ends: true},
	{text: service + "[X-Test]\nFail=start\n", free: true, fails: true},
	{text: service + "[X-Test]\nFail=load\n", free: true, fails: true},
	{text: service + "[X-Fleet]\nConflicts=u1.service u2.service\n"},
	{text: service + "[X-Fleet]\nReplaces=u0.service u3.service\n"},
	{text: service + "[X-Fleet]\nMachineOf=u2.service\n"},
	{text: service + "[X-Fleet]\nMachineMetadata=disk=ssd\n"},
	{text: service + "[X-Test]\nFail=start\n[X-Fleet]\nReschedule=on-failure\n", fails: true},
	{text: service + "[X-Fleet]\nReschedule=on-failure\n"},
	{text: service + "[X-Fleet]\nGlobal=true\n"},
	{text: service + "[X-Fleet]\nGlobal=true\nMachineMetadata=disk=ssd\nConflicts=u3.service\n"},
}

// wish is what fate's user wants of one unit.
type wish struct {
	kind
	desired cluster.DesiredState
	content unit.ContentID
	doubted bool // it was killed: how it is now depends on what came after
}

func (w wish) global() bool { return strings.Contains(w.text, "Global=true") }

// user asks for something. Units u0 to u3 are those that rules name.
func (f *fate) user() {
	name := unit.Name(fmt.Sprintf("u%d.service", f.IntN(9)))
	wanted, exists := f.wanted[name]
	switch action := f.IntN(7); {
	case !exists || action == 0 || action == 1:
		k := kinds[f.IntN(len(kinds))]
		if name == "u2.service" && strings.Contains(k.text, "MachineOf=") {
			k = kinds[0]
		}
		k.free = k.free && name > "u3.service"
		desired := []cluster.DesiredState{cluster.Launched, cluster.Launched, cluster.Loaded, cluster.Inactive}[f.IntN(4)]
		f.put(name, k, desired)
	case action == 2:
		f.note("destroy %s", name)
		f.w.destroy(name)
		delete(f.wanted, name)
	case action == 3 && wanted.desired == cluster.Launched:
		f.note("restart %s", name)
		f.w.restart(name)
	default:
		wanted.desired = []cluster.DesiredState{cluster.Launched, cluster.Loaded, cluster.Inactive}[f.IntN(3)]
		f.note("want %s %s", name, wanted.desired)
		f.w.want(name, wanted.desired)
		f.wanted[name] = wanted
	}
}

func (f *fate) put(name unit.Name, k kind, desired cluster.DesiredState) {
	f.edition++
	k.text += fmt.Sprintf("# %d\n", f.edition%3) // sometimes another file, sometimes one as before
	f.note("put %s %s %q", name, desired, k.text)
	f.w.put(name, k.text, desired)
	if wanted := (wish{kind: k}); wanted.global() {
		f.everywhere[name] = true
	}
	f.wanted[name] = wish{kind: k, desired: desired, content: unit.IDOf([]byte(k.text))}
}

// operator changes what is laid over a machine's metadata.
func (f *fate) operator() {
	id := f.w.machines[f.IntN(len(f.w.machines))].id
	value := []string{"ssd", "hdd"}[f.IntN(2)]
	f.note("set disk=%s on %s", value, id)
	f.w.set(id, "disk", value)
}

// administrator kills processes behind systemd's back.
func (f *fate) administrator() {
	m := f.w.machines[f.IntN(len(f.w.machines))]
	running := m.host.Running()
	if len(running) == 0 {
		return
	}
	name := running[f.IntN(len(running))]
	if m.host.Kill(name) == nil {
		f.note("kill the processes of %s on %s", name, m.id)
		if wanted, ok := f.wanted[name]; ok {
			wanted.doubted = !strings.Contains(wanted.text, "Restart=always")
			f.wanted[name] = wanted
		}
	}
}

// compactor has the store forget the past.
func (f *fate) compactor() {
	at := f.w.store.Revision() - int64(f.IntN(4))
	if f.w.store.Compact(at) == nil {
		f.note("compact to %d", at)
	}
}

// vandal damages a record that fleet itself puts right, or an operator's settings.
func (f *fate) vandal() {
	s := f.w.snapshot()
	id := f.w.machines[f.IntN(len(f.w.machines))].id
	keys := []string{"orders/" + string(id), "reports/" + string(id), "machines/" + string(id), "settings/" + string(id)}
	for _, name := range s.Names() {
		if _, ok := s.Pending(name); ok {
			keys = append(keys, "pending/"+string(name))
		}
		if _, ok := s.Failures(name); ok {
			keys = append(keys, "failures/"+string(name))
		}
	}
	key := keys[f.IntN(len(keys))]
	if !f.w.damage("/fleet/" + key) {
		return
	}
	f.note("damage %s", key)
	if strings.HasPrefix(key, "settings/") {
		f.later(f.between(0, 20*time.Second), func() {
			f.note("repair %s", key)
			f.w.set(id, "disk", "ssd")
		})
	}
}

// burglar damages what only the user can put right, by submitting it once more.
func (f *fate) burglar() {
	names := slices.Sorted(maps.Keys(f.wanted))
	if len(names) == 0 {
		return
	}
	name := names[f.IntN(len(names))]
	wanted := f.wanted[name]
	key := []string{"units/" + string(name), "files/" + string(wanted.content)}[f.IntN(2)]
	if f.w.damage("/fleet/" + key) {
		f.note("damage %s", key)
		f.later(f.between(0, 20*time.Second), func() {
			f.note("submit %s again", name)
			f.w.put(name, wanted.text, wanted.desired)
		})
	}
}
