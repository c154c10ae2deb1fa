package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

// Limits of what a request may bring, in bytes.
const (
	maxFile = 1 << 20

	// maxSettings is what may be laid over one machine's own metadata and capacity: every
	// list of machines has it, and the engine works with it.
	maxSettings = 64 << 10

	// maxDrain is how much of a body that is too large is read and thrown away, so
	// that a client that sends first and reads then gets to see the answer.
	maxDrain = 32 << 20
)

// readBody reads a body of limited size; what names it in the error.
func (s *Server) readBody(r *http.Request, limit byteLimit, what string) ([]byte, error) {
	held, _ := r.Context().Value(loadKey{}).(*load)
	expected := int64(limit.bytes) + 1
	if r.ContentLength >= 0 {
		expected = min(expected, r.ContentLength)
	}
	if err := held.take(r.Context(), expected); err != nil {
		return nil, s.errNotBegun()
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, int64(limit.bytes)+1))
	defer func() { held.keep(int64(len(body))) }()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, &Error{
			http.StatusRequestTimeout,
			fmt.Sprintf("the %s did not arrive within the limit of %s (api_request_timeout of fleetd)", what, s.o.Limits.Request),
		}
	}
	if err != nil {
		return nil, badRequest("unable to read body: %v", err)
	}
	if len(body) <= limit.bytes {
		return body, nil
	}
	// Whether it can be drained makes no difference to the answer.
	_, _ = io.CopyN(io.Discard, r.Body, maxDrain)
	return nil, tooLarge(what, limit)
}

func tooLarge(what string, limit byteLimit) *Error {
	return &Error{http.StatusRequestEntityTooLarge, fmt.Sprintf("%s is larger than %s", what, limit)}
}

// decodeV1 reads the body of a call that fleet 1 had: the first JSON value of it, and of that what is known.
func (s *Server) decodeV1(r *http.Request, into any) error {
	body, err := s.readBody(r, s.o.Limits.body(), "request body")
	if err != nil {
		return err
	}
	return problemOf(json.NewDecoder(bytes.NewReader(body)).Decode(into))
}

func (s *Server) decodeLimited(r *http.Request, limit byteLimit, into any) error {
	body, err := s.readBody(r, limit, "request body")
	if err != nil {
		return err
	}
	return decode(body, into)
}

// decodeOptional leaves into as it is if there is no body.
func (s *Server) decodeOptional(r *http.Request, into any) error {
	body, err := s.readBody(r, s.o.Limits.body(), "request body")
	if err != nil || len(bytes.TrimSpace(body)) == 0 {
		return err
	}
	return decode(body, into)
}

// decode refuses fields that are not known: a misspelt condition must not be none.
func decode(body []byte, into any) error { return problemOf(decodeStrictly(body, into)) }

func decodeStrictly(body []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

func problemOf(err error) error {
	if err == nil {
		return nil
	}
	return badRequest("unable to decode body: %s", decodeProblem(err))
}

// decodeProblem says what is wrong with JSON in the sender's words instead of Go's types.
func decodeProblem(err error) string {
	var wrongType *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.EOF):
		return "it is empty"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the JSON ends too early"
	case errors.As(err, &wrongType) && wrongType.Field != "":
		return fmt.Sprintf("field %s cannot be a JSON %s (byte %d)", wrongType.Field, wrongType.Value, wrongType.Offset)
	case errors.As(err, &wrongType):
		return fmt.Sprintf("a JSON %s is not expected (byte %d)", wrongType.Value, wrongType.Offset)
	case errors.As(err, &syntax):
		return fmt.Sprintf("%v (byte %d)", err, syntax.Offset)
	}
	return strings.TrimPrefix(err.Error(), "json: ") // unknown field "…"
}

// checkJSONType is v1's rule for requests that carry a unit.
func checkJSONType(r *http.Request) error {
	values := r.Header.Values("Content-Type")
	if len(values) != 1 {
		return &Error{
			http.StatusUnsupportedMediaType,
			fmt.Sprintf("expected 1 Content-Type, got %d", len(values)),
		}
	}
	if !isJSON(values[0]) {
		return &Error{http.StatusUnsupportedMediaType, "only acceptable Content-Type is " + jsonType}
	}
	return nil
}

func isJSON(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	return strings.TrimSpace(media) == jsonType
}
