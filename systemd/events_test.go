package systemd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

func TestCallsAreTold(t *testing.T) {
	var told []string
	events := Events{Called: func(what Call, _ time.Duration, err error) {
		told = append(told, string(what)+map[bool]string{false: "", true: " failed"}[err != nil])
	}}
	for _, call := range []struct {
		what Call
		err  error
	}{
		{callList, nil},
		{callStop, dbus.Error{Name: noSuchUnit}},
		{callReload, fmt.Errorf("given up: %w", context.Canceled)},
		{callReload, context.DeadlineExceeded},
		{callStart, errors.New("refused")},
	} {
		events.called(call.what, time.Now(), call.err)
		Events{}.called(call.what, time.Now(), call.err)
	}
	if want := []string{"list", "stop", "reload failed", "start failed"}; !slices.Equal(told, want) {
		t.Errorf("told %q, expected %q", told, want)
	}
}

func TestAManagerWithoutAConnectionAsksNothing(t *testing.T) {
	m, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := m.Asked(), (Asked{MaxCalls: inFlight, MaxJobs: maxJobs}); got != want {
		t.Errorf("%+v, expected %+v", got, want)
	}
}
