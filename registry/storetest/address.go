package storetest

import (
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
)

// given are the addresses that tests of this process have, whether they listen there yet or not.
var given sync.Map

// FreeURL is a URL at which nobody listens, another one each time. Its address is one of the loopback
// network that belongs to this process: neither another process that looks for a free
// port, nor a connection, which comes from 127.0.0.1, takes the port before the test does.
func FreeURL(t testing.TB) string {
	t.Helper()
	pid := os.Getpid() // at most 22 bits
	for {
		l, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 1+pid>>16&0x7f, pid>>8&0xff, pid&0xff))
		if err != nil {
			t.Fatalf("look for a free port: %v", err)
		}
		address := l.Addr().String()
		l.Close()
		if _, taken := given.LoadOrStore(address, nil); !taken {
			return "http://" + address
		}
	}
}
