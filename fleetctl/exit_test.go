package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"fleet/api"
	"fleet/cluster"
)

// A store that is full is no fault of the connection: the change is refused, with the reason and where the way out is.
func TestAChangeThatAFullStoreRefusesSaysWhatToDo(t *testing.T) {
	err := remote(fmt.Errorf("start web.service: %w", &api.Error{Code: http.StatusInsufficientStorage, Message: "write to etcd: " + cluster.ErrNoSpace.Error()}))
	if f := faultOf(err); f.code != exitRefused || !strings.Contains(err.Error(), "reached its quota") || !strings.Contains(hint(err), "docs/store.md") {
		t.Errorf("exit code %d: %v (%s)", f.code, err, hint(err))
	}
}
