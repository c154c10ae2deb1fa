package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"fleet/cluster"
)

// writeJSON answers with compact JSON without a line break at its end, as v1 does.
func writeJSON(w http.ResponseWriter, code int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	writeBody(w, code, jsonType, body)
	return nil
}

// writeBody leaves errors of the connection to net/http: there is nobody left to tell.
func writeBody(w http.ResponseWriter, code int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(code)
	_, _ = w.Write(body)
}

func writeError(w http.ResponseWriter, e *Error) {
	// A struct of a number and a string always encodes.
	_ = writeJSON(w, e.Code, errorAnswer{Error: *e})
}

// fail answers a request with the error that came of it.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := answerFor(err)
	if e.Code >= http.StatusInternalServerError {
		s.o.Logger.Warn("request failed", "method", r.Method, "path", r.URL.Path, "err", err)
	}
	writeError(w, e)
}

// answerFor turns an error into what the client is told.
func answerFor(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	code := http.StatusInternalServerError
	switch {
	case errors.Is(err, cluster.ErrConflict):
		code = http.StatusConflict
	case errors.Is(err, cluster.ErrNotFound):
		code = http.StatusNotFound
	case errors.Is(err, cluster.ErrNoSpace):
		code = http.StatusInsufficientStorage
	case errors.Is(err, cluster.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		code = http.StatusServiceUnavailable
	}
	return &Error{code, err.Error()}
}

func badRequest(format string, args ...any) *Error {
	return &Error{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

func conflict(format string, args ...any) *Error {
	return &Error{http.StatusConflict, fmt.Sprintf(format, args...)}
}

// errNoUnit is v1's answer about a unit that is not there.
func errNoUnit() *Error { return &Error{http.StatusNotFound, "unit does not exist"} }
