package api

import (
	"errors"
	"fmt"
	"net/http"

	"fleet/cluster"
)

// Error is what a server answers a request that it does not carry out.
type Error struct {
	Code    int    `json:"code"` // HTTP status
	Message string `json:"message"`
}

// ErrNotFound: the unit, or the machine, does not exist.
var ErrNotFound = cluster.ErrNotFound

// ErrStreamEnded: the server ended the event stream in good order, for
// instance because it is shut down. A new stream may be opened.
var ErrStreamEnded = errors.New("the server ended the event stream")

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
