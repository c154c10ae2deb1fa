package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"fleet/cluster"
)

// Error is what a server answers a request that it does not carry out.
type Error struct {
	Code    int    `json:"code"`    // HTTP status
	Message string `json:"message"` // for people
}

// What errors of a Client are, in the sense of errors.Is. Whatever else a server says is an *Error with a code; what
// is none was not said by a server: it could not be reached, or answered too late (context.DeadlineExceeded).
var (
	// ErrNotFound: the unit, or the machine, does not exist.
	ErrNotFound = cluster.ErrNotFound
	// ErrConflict: the unit has changed meanwhile: it is not at the generation that IfMatch gives, or exists in spite of IfAbsent.
	ErrConflict = cluster.ErrConflict
	// ErrUnavailable: the server is not a member of the cluster at present, or its store does not
	// answer. Whether a change was made is unknown; it may be asked for again.
	ErrUnavailable = cluster.ErrUnavailable
)

// ErrStreamEnded: the server ended the event stream in good order, for
// instance because it is shut down. A new stream may be opened.
var ErrStreamEnded = errors.New("the server ended the event stream")

// noAnswer is the end of a client's patience.
type noAnswer time.Duration

func (e noAnswer) Error() string        { return fmt.Sprintf("no answer within %s", time.Duration(e)) }
func (e noAnswer) Is(target error) bool { return target == context.DeadlineExceeded }
func (e noAnswer) Timeout() bool        { return true }

func (e *Error) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("%d %s", e.Code, http.StatusText(e.Code))
	}
	return e.Message
}

// Is makes an answer equal to the error of the vocabulary that it stands for.
func (e *Error) Is(target error) bool {
	switch target {
	case cluster.ErrNotFound:
		return e.Code == http.StatusNotFound
	case cluster.ErrConflict:
		return e.Code == http.StatusPreconditionFailed
	case cluster.ErrUnavailable:
		return e.Code == http.StatusServiceUnavailable
	}
	return false
}
