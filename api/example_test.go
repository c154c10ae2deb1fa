package api_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// A unit is submitted and started; the program waits until the cluster is done with that.
func Example() {
	endpoint, stop := exampleCluster() // unix:///run/fleet.sock, or http://HOST:PORT
	defer stop()

	client, err := api.Dial(endpoint, api.ClientOptions{UserAgent: "example"})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	file := []byte("[Service]\nExecStart=/usr/bin/hello\n")
	put, err := client.PutFile(ctx, "hello.service", file, api.PutFileOptions{Desired: cluster.Launched})
	if err != nil {
		log.Fatal(err)
	}
	hello, err := client.Await(ctx, "hello.service", put.Generation)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(hello.Name, hello.Outcome.Phase, "on", hello.MachineID)
	for _, c := range hello.Copies {
		fmt.Println(c.Active, c.Sub)
	}

	// Output:
	// hello.service done on 2d1f8c1e
	// active running
}

// Many units are one request, and each of them has an answer of its own.
func ExampleClient_Change() {
	endpoint, stop := exampleCluster()
	defer stop()
	client, err := api.Dial(endpoint, api.ClientOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	var changes []api.Change
	for i := range 3 {
		changes = append(changes, api.Change{
			Name:    unit.Name(fmt.Sprintf("web@%d.service", i)),
			File:    []byte("[Service]\nExecStart=/usr/bin/web %i\n"),
			Desired: cluster.Launched,
		})
	}
	changes = append(changes, api.Change{Name: "none.service", Destroy: true})
	results, err := client.Change(context.Background(), changes)
	if err != nil {
		log.Fatal(err) // the request as a whole
	}
	for _, r := range results {
		switch err := r.Err(); {
		case errors.Is(err, api.ErrNotFound):
			fmt.Println(r.Name, "is not there")
		case err != nil:
			log.Fatal(err)
		default:
			fmt.Println(r.Name, "created:", r.Created)
		}
	}

	// Output:
	// web@0.service created: true
	// web@1.service created: true
	// web@2.service created: true
	// none.service is not there
}

// A list has what is selected, in the order and with the fields that are wanted.
func ExampleClient_UnitsWith() {
	endpoint, stop := exampleCluster()
	defer stop()
	client, err := api.Dial(endpoint, api.ClientOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx := context.Background()
	for _, name := range []unit.Name{"db.service", "web@1.service", "web@2.service"} {
		if _, err := client.PutFile(ctx, name, []byte("[Service]\nExecStart=/bin/x\n"), api.PutFileOptions{}); err != nil {
			log.Fatal(err)
		}
	}

	units, err := client.UnitsWith(ctx, api.ListOptions{
		Globs:  []unit.Glob{"web@*"},
		Sort:   "-name",
		Fields: []string{"name", "desiredState"},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, u := range units {
		fmt.Println(u.Name, u.DesiredState)
	}

	// Output:
	// web@2.service inactive
	// web@1.service inactive
}

// Two programs that change the same unit do not overwrite each other.
func ExampleClient_PutFile() {
	endpoint, stop := exampleCluster()
	defer stop()
	client, err := api.Dial(endpoint, api.ClientOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx := context.Background()
	if _, err := client.PutFile(ctx, "db.service", []byte("[Service]\nExecStart=/bin/db\n"), api.PutFileOptions{}); err != nil {
		log.Fatal(err)
	}

	seen, err := client.Unit(ctx, "db.service")
	if err != nil {
		log.Fatal(err)
	}
	for _, option := range []string{"--fast", "--safe"} {
		file := []byte("[Service]\nExecStart=/bin/db " + option + "\n")
		_, err := client.PutFile(ctx, "db.service", file, api.PutFileOptions{IfMatch: seen.Generation})
		switch {
		case errors.Is(err, api.ErrConflict):
			fmt.Println(option, "came too late")
		case err != nil:
			log.Fatal(err)
		default:
			fmt.Println(option, "is in")
		}
	}

	// Output:
	// --fast is in
	// --safe came too late
}

// exampleCluster serves the API of a cluster of one machine, on which everything runs at once.
func exampleCluster() (endpoint string, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	store := obedientStore{newFakeStore()}
	store.write(cluster.MachineChanged{ID: exampleMachine.ID, Machine: &exampleMachine})
	server := api.New(store, api.Options{Version: "2.0.0"})
	done := make(chan error)
	go func() { done <- server.Run(ctx) }()
	if !api.Await(ctx, server, 1) {
		log.Fatal("the server does not follow its store")
	}
	h := httptest.NewServer(server.Handler())
	return h.URL, func() {
		cancel()
		if err := <-done; err != nil {
			log.Fatal(err)
		}
		h.Close()
	}
}

var exampleMachine = cluster.Machine{ID: "2d1f8c1e", Address: "192.0.2.1", Session: cluster.Session{Lease: 1, BootID: "boot"}}

// obedientStore has the engine and the machine in it.
type obedientStore struct{ *fakeStore }

func (s obedientStore) UpdateUnit(ctx context.Context, name unit.Name, change func(*cluster.Unit) (*cluster.UnitEdit, error)) (cluster.Unit, error) {
	u, err := s.fakeStore.UpdateUnit(ctx, name, change)
	if err != nil || u.Desired != cluster.Launched {
		return u, err
	}
	m := exampleMachine
	s.write(
		cluster.OrdersChanged{ID: m.ID, Orders: &cluster.Orders{
			Machine: m.ID, Session: m.Session,
			Units: map[unit.Name]cluster.Order{name: {Content: u.Content, Desired: u.Desired, Generation: u.Generation}},
		}},
		cluster.ReportChanged{ID: m.ID, Report: &cluster.Report{
			Machine: m.ID, Session: m.Session, Orders: 1 << 40,
			Units: map[unit.Name]cluster.UnitReport{name: {
				State:   unit.State{Load: "loaded", Active: "active", Sub: "running"},
				Content: u.Content, Generation: u.Generation, Tried: u.Generation, Job: unit.JobDone,
			}},
		}},
	)
	return u, nil
}
