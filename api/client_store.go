package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
)

// Store tells how the cluster of etcd is that everything is stored in. It is answered also when nothing else is.
func (c *Client) Store(ctx context.Context) (StoreStatus, error) {
	var out StoreStatus
	err := c.ask(ctx, request{method: http.MethodGet, path: "store"}, nil, &out)
	return out, err
}

// AddMember adds a member to the store, which joins when its fleetd starts. The error is an *Error of code 409 if that
// cannot be now.
func (c *Client) AddMember(ctx context.Context, name, peerURL string) (MemberAdded, error) {
	var out MemberAdded
	err := c.ask(ctx, request{method: http.MethodPost, path: "store/members"}, MemberRequest{Name: name, PeerURL: peerURL}, &out)
	return out, err
}

// ReplaceMember puts a member without data in the place of one that is lost, at the same peer URL or another one.
func (c *Client) ReplaceMember(ctx context.Context, name, peerURL string) (MemberAdded, error) {
	var out MemberAdded
	err := c.ask(ctx, request{method: http.MethodPut, path: memberPath(name)}, MemberRequest{PeerURL: peerURL}, &out)
	return out, err
}

// RemoveMember removes a member, given by name, id or peer URL.
func (c *Client) RemoveMember(ctx context.Context, name string) error {
	return c.ask(ctx, request{method: http.MethodDelete, path: memberPath(name)}, nil, nil)
}

func memberPath(name string) string { return "store/members/" + url.PathEscape(name) }

// RecoverStore makes the member of the fleetd that answers, with what it has, the only one of the store. It lasts until ctx ends or that is done.
func (c *Client) RecoverStore(ctx context.Context) (StoreStatus, error) {
	return c.makeStore(ctx, request{method: http.MethodPost, path: "store/recovery"})
}

// RestoreStore does the same with what a snapshot has, of which the size is given.
func (c *Client) RestoreStore(ctx context.Context, snapshot io.Reader, size int64) (StoreStatus, error) {
	return c.makeStore(ctx, request{method: http.MethodPut, path: "store/snapshot", contentType: bytesType, upload: snapshot, size: size})
}

func (c *Client) makeStore(ctx context.Context, r request) (StoreStatus, error) {
	var out StoreStatus
	body, err := c.open(ctx, r)
	if err != nil {
		return out, err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(&out); err != nil {
		return out, fmt.Errorf("%s: decode the answer of %s: %w", c.endpoint, r.path, err)
	}
	return out, nil
}

// errBrokenSnapshot: the sum at the end of a snapshot is not that of what came.
var errBrokenSnapshot = errors.New("the snapshot broke off, or was damaged on its way")

// Snapshot writes everything that is stored to a writer, and returns its size. What has come is checked against the sum at its end.
func (c *Client) Snapshot(ctx context.Context, to io.Writer) (int64, error) {
	body, err := c.open(ctx, request{method: http.MethodGet, path: "store/snapshot"})
	if err != nil {
		return 0, err
	}
	defer body.Close()
	sum := &trailing{sum: sha256.New()}
	size, err := io.Copy(io.MultiWriter(to, sum), body)
	if err != nil {
		return size, c.failed(ctx, err)
	}
	if !sum.right() {
		return size, fmt.Errorf("%s: %w", c.endpoint, errBrokenSnapshot)
	}
	return size, nil
}

// trailing adds up everything that is written but the last bytes, which should be the sum.
type trailing struct {
	sum  hash.Hash
	last []byte
}

func (t *trailing) Write(b []byte) (int, error) {
	t.last = append(t.last, b...)
	if over := len(t.last) - sha256.Size; over > 0 {
		t.sum.Write(t.last[:over])
		t.last = append(t.last[:0], t.last[over:]...)
	}
	return len(b), nil
}

func (t *trailing) right() bool { return bytes.Equal(t.sum.Sum(nil), t.last) }
