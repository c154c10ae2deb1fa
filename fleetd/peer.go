package main

import (
	"context"
	"fmt"
	"net"

	"golang.org/x/sys/unix"

	"fleet/api"
)

// withPeer says in the context of a unix socket's requests which user is at the other end. Of
// other connections the API knows by itself whose they are.
func withPeer(ctx context.Context, conn net.Conn) context.Context {
	local, ok := conn.(*net.UnixConn)
	if !ok {
		return ctx
	}
	raw, err := local.SyscallConn()
	if err != nil {
		return ctx // closed already
	}
	var peer *unix.Ucred
	control := func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }
	if e := raw.Control(control); e != nil || err != nil {
		return ctx
	}
	return api.WithClient(ctx, fmt.Sprintf("the user with uid %d", peer.Uid))
}
