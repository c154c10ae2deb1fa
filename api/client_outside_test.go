package api_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fleet/api"
)

// outsider is a program of somebody else, in a module of its own.
const outsider = `package main

import (
	"context"
	"fmt"
	"os"

	"fleet/api"
	"fleet/cluster"
)

func main() {
	client, err := api.Dial(os.Args[1], api.ClientOptions{})
	if err != nil {
		panic(err)
	}
	file := []byte("[Service]\nExecStart=/bin/true\n")
	if _, err := client.PutFile(context.Background(), "a.service", file, api.PutFileOptions{Desired: cluster.Loaded}); err != nil {
		panic(err)
	}
	units, err := client.Units(context.Background())
	if err != nil {
		panic(err)
	}
	fmt.Println(units[0].Name, units[0].DesiredState)
}
`

// What a program that uses the client must not be burdened with.
var heavy = []string{"etcd", "dbus", "go-systemd", "prometheus", "cobra", "grpc", "zap", "fleet/registry", "fleet/engine", "fleet/agent", "fleet/systemd"}

// TestClientFromAnotherModule builds and runs a program outside of this module.
func TestClientFromAnotherModule(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a program")
	}
	f := newFixture(t, api.Options{})
	dir := t.TempDir()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"main.go": outsider,
		"go.mod":  "module example.com/outsider\n\ngo 1.26.0\n\nrequire fleet v0.0.0\n\nreplace fleet => " + root + "\n",
		"go.sum":  string(sums),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run := func(command ...string) string {
		t.Helper()
		c := exec.CommandContext(t.Context(), command[0], command[1:]...)
		c.Dir = dir
		c.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "GOPROXY=off")
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out)
		}
		return string(out)
	}
	for dependency := range strings.FieldsSeq(run("go", "list", "-deps", ".")) {
		for _, word := range heavy {
			if strings.Contains(dependency, word) {
				t.Errorf("the client depends on %s", dependency)
			}
		}
	}
	run("go", "build", "-o", "outsider", ".")
	if got := run("./outsider", f.server.URL); got != "a.service loaded\n" {
		t.Errorf("it prints %q", got)
	}
}
