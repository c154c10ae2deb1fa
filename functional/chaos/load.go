package main

import (
	"fmt"
	"math/rand/v2"

	"fleet/api"
	"fleet/functional/customer"
	"fleet/unit"
)

// stubborn ignores the request to stop, and so ends only by force.
const stubborn = `[Unit]
StartLimitIntervalSec=0
[Service]
Environment=VERSION=%d
ExecStart=/bin/sh -c 'trap "" TERM; while :; do sleep 1; done'
TimeoutStopSec=%d
Restart=always
RestartSec=100ms
[X-Fleet]
AtMostOnce=yes
OnFence=%s
`

const plain = `[Unit]
StartLimitIntervalSec=0
[Service]
Environment=VERSION=%d
ExecStart=/bin/sleep infinity
Restart=always
RestartSec=100ms
`

// load is who asks for what: of the steady units nobody wants anything after they were launched.
type load struct {
	steady, moody []*customer.Customer
}

func (l load) all() []*customer.Customer {
	return append(append([]*customer.Customer(nil), l.steady...), l.moody...)
}

func newLoad(seed uint64, clients []*api.Client) load {
	kinds := []struct {
		name string
		text func(version int) string
	}{
		{"plain", func(version int) string { return fmt.Sprintf(plain, version) }},
		{"once", func(version int) string { return fmt.Sprintf(stubborn, version, 15, "stop") }},
		{"frozen", func(version int) string { return fmt.Sprintf(stubborn, version, 2, "freeze") }},
	}
	var l load
	for i, kind := range kinds {
		for n := range 4 {
			by := func(mood string) *customer.Customer {
				return &customer.Customer{
					Name: unit.Name(fmt.Sprintf("%s-%s%d.service", mood, kind.name, n)), Text: kind.text,
					Random: rand.New(rand.NewPCG(seed, uint64(100+10*i+n))), Clients: clients,
				}
			}
			l.steady = append(l.steady, by("steady"))
			l.moody = append(l.moody, by("moody"))
		}
	}
	return l
}
