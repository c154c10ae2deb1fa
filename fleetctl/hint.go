package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"syscall"

	"fleet/api"
)

// unknown is an error about what the cluster does not have, with where it tells what it has.
type unknown struct {
	error
	look string
}

const (
	lookForUnits    = "fleetctl list-unit-files lists the units that there are"
	lookForMachines = "fleetctl list-machines lists the machines that are present"
)

func noUnit(format string, args ...any) error {
	return &fault{exitNotFound, unknown{fmt.Errorf(format, args...), lookForUnits}}
}

func noMachine(format string, args ...any) error {
	return &fault{exitNotFound, unknown{fmt.Errorf(format, args...), lookForMachines}}
}

// wantsTLS tells whether it is Go's TLS server that has answered, and no fleetd.
func wantsTLS(answer *api.Error) bool {
	return answer.Code == http.StatusBadRequest && strings.Contains(answer.Message, "HTTP request to an HTTPS server")
}

// refusedTLS tells whether the server has ended the handshake, for want of a certificate that it takes.
func refusedTLS(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error" && strings.Contains(op.Err.Error(), "certificate")
}

// hint is what a person may try about an error; empty if nothing comes to mind.
func hint(err error) string {
	var (
		unknownCA x509.UnknownAuthorityError
		answer    *api.Error
		tunnel    *tunnelError
		none      unknown
		name      *net.DNSError
		noTLS     tls.RecordHeaderError
		state     damagedState
		f         *fault
	)
	switch {
	case errors.As(err, &none):
		return none.look
	case errors.As(err, &state):
		return "repair it there, or take it from a backup; if it is removed, export --overwrite writes it anew, and submit takes the unit files without it"
	case errors.Is(err, errNobodyToAsk):
		return "add --yes to go ahead without being asked"
	case errors.Is(err, errNoTerminal):
		return "set EDITOR to a program that needs none, or replace the file with fleetctl submit --replace or start --replace"
	case errors.As(err, &f) && f.code == exitError:
		return "" // not about the connection
	case errors.As(err, &tunnel):
		return tunnel.hint()
	case errors.As(err, &answer):
		switch {
		case wantsTLS(answer):
			return "the server there wants TLS; write https:// instead of http://"
		case answer.Code == http.StatusServiceUnavailable:
			return "fleetd is running there but has no connection to etcd; its log says why (journalctl -u fleetd)"
		case answer.Code == http.StatusInsufficientStorage:
			return "units run on; docs/store.md says how to make room (When there is little room), and fleetctl store status which member complains"
		case answer.Code == http.StatusPreconditionFailed:
			return "somebody else changed the unit meanwhile; look at it and try again"
		}
		return ""
	case errors.As(err, &name) && name.IsNotFound:
		return "there is no such host; name another endpoint with --endpoint or FLEETCTL_ENDPOINT"
	case errors.As(err, &unknownCA):
		return "name the certificate authority of the cluster with --ca-file"
	case refusedTLS(err):
		return "the server wants a certificate that its authority has signed: give yours with --cert-file and --key-file"
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &noTLS):
		return "the server there speaks plain HTTP; write http:// instead of https://"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "no fleetd is listening there; start it, or name another endpoint with --endpoint or FLEETCTL_ENDPOINT"
	case remoteCode(err) != exitUnreachable, f != nil && f.code != exitUnreachable:
		return "" // neither
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return "the connection broke before the answer came; the request may or may not have been carried out"
	case errors.Is(err, fs.ErrNotExist):
		return "is fleetd running on this host? If not, name another endpoint with --endpoint or FLEETCTL_ENDPOINT"
	case errors.Is(err, fs.ErrPermission):
		return "the socket belongs to root; use sudo, or name another endpoint with --endpoint or FLEETCTL_ENDPOINT"
	case errors.Is(err, context.DeadlineExceeded):
		return "is that the endpoint of a fleetd? Name another with --endpoint or FLEETCTL_ENDPOINT, or give it longer with --request-timeout"
	}
	return "is that the endpoint of a fleetd? Name another with --endpoint or FLEETCTL_ENDPOINT"
}
