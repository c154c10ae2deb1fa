package simulation

import (
	"strings"
)

// lot are the kinds of units that histories have.
var lot = []kind{
	{text: service},
	{text: service + "Restart=always\n"},
	{text: service + "[X-Test]\nStartSec=2s\nStopSec=3s\n"},
	{text: service + "[X-Fleet]\nOnLost=wait\n"},
	{text: service + "[X-Fleet]\nReplaceAfter=45s\n"},
	{text: service + "[X-Fleet]\nGlobal=true\n"},
	{text: service + "[X-Test]\nStopSec=3s\n[X-Fleet]\nHandOver=stop-first\n"},
	{text: service + "[X-Fleet]\nMachineOf=u0.service\n"},
	{text: service + "[X-Fleet]\nMachineMetadata=disk=ssd\n"},
	{text: "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sleep 8\n"},
	{text: "[Service]\nType=oneshot\nExecStart=/bin/sleep 8\n", ends: true},
}

// guarded are those of them that must never run twice.
var guarded = []kind{
	{text: service + "[X-Fleet]\nAtMostOnce=yes\n"},
	{text: service + "Restart=always\n[X-Fleet]\nAtMostOnce=yes\n"},
	{text: service + "[X-Test]\nStartSec=2s\nStopSec=3s\n[X-Fleet]\nAtMostOnce=yes\n"},
	{text: service + "Restart=always\nTimeoutStopSec=20s\n[X-Test]\nStopSec=1h\n[X-Fleet]\nAtMostOnce=yes\n"},
	{text: service + "[X-Fleet]\nAtMostOnce=yes\nOnFence=freeze\n"},
	{text: service + "TimeoutStopSec=20s\n[X-Test]\nStopSec=1h\n[X-Fleet]\nAtMostOnce=yes\nOnFence=freeze\n"},
	{text: service + "[X-Fleet]\nAtMostOnce=yes\nOnLost=wait\n"},
	{text: service + "[X-Fleet]\nAtMostOnce=yes\nReplaceAfter=30s\n"},
}

func (k kind) atMostOnce() bool { return strings.Contains(k.text, "AtMostOnce=yes") }
