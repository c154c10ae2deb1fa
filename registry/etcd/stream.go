package etcd

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"fleet/registry"
)

const (
	maxFirstWait = 5 // times a stream's patience: how long a new one may take to begin

	// maxQueued bytes of what one watch was told may wait for its reader, besides as much that it is at. One that is further
	// behind leaves the stream, and joins again when it has read that: what comes meanwhile stays in etcd, and holds up no other watch.
	maxQueued = 16 << 20
	// eventSize is what an event takes in memory, in bytes, besides key and value.
	eventSize = 256
)

var (
	errBehind = errors.New("the reader of a watch has more to read than may wait for it")
	errLeft   = errors.New("the last watch has left the stream")
	errAged   = errors.New("the stream's token is no longer valid")
)

// agedReasons are those for which etcd refuses a watch on a stream of which the token has become invalid: a stream has the one it
// began with, and watches that are there already go on.
var agedReasons = []string{
	rpctypes.ErrGRPCInvalidAuthToken.Error(), rpctypes.ErrGRPCAuthOldRevision.Error(),
}

func aged(resp *pb.WatchResponse) bool {
	return resp.Canceled && slices.Contains(agedReasons, resp.CancelReason)
}

// streams has all watches of a client share one stream of etcd, for as long as there are any. An idle machine has about
// six, and each stream costs both ends memory, and a question now and then whether the other end still lives.
type streams struct {
	client pb.WatchClient
	base   context.Context
	turn   chan struct{} // holds one token; whoever has it owns what follows
	now    *stream       // nil: none yet

	hearing
	// firstWait is how long a new stream may take to begin. It grows, because
	// a cluster that is slow is not served faster by asking again.
	firstWait time.Duration
}

func newStreams(etcd *clientv3.Client, h hearing) *streams {
	s := &streams{client: pb.NewWatchClient(etcd.ActiveConnection()), base: etcd.Ctx(), turn: make(chan struct{}, 1), hearing: h}
	s.turn <- struct{}{}
	return s
}

// join begins a watch.
func (s *streams) join(ctx context.Context, keys registry.Keys, from int64) (*reader, error) {
	select {
	case <-s.turn:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { s.turn <- struct{}{} }()
	if s.now != nil {
		if r, err := s.now.add(keys, from); err == nil {
			return r, nil
		}
		// It has ended, or takes no more watches.
	}
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	return s.now.add(keys, from)
}

// open begins another stream. It outlives ctx.
func (s *streams) open(ctx context.Context) error {
	s.firstWait = min(s.firstWait+s.patience, maxFirstWait*s.patience)
	if s.now != nil && s.now.heard() {
		s.firstWait = s.patience
	}
	streamCtx, end := context.WithCancelCause(s.base)
	stop := context.AfterFunc(ctx, func() { end(ctx.Err()) })
	defer stop()
	rpc, err := s.client.Watch(clientv3.WithRequireLeader(streamCtx), grpc.MaxCallRecvMsgSize(math.MaxInt32))
	if err != nil {
		end(nil)
		return rpctypes.Error(err)
	}
	s.now = &stream{rpc: rpc, end: end}
	s.now.mu.readers = map[int64]*reader{}
	s.now.guard = newGuard(s.firstWait, s.hearing, s.now.probe, func() { end(errSilent) })
	go s.now.receive()
	return nil
}

// stream is a stream of etcd that several watches share. It ends with the last of them.
type stream struct {
	rpc   pb.Watch_WatchClient
	end   context.CancelCauseFunc
	guard *guard

	mu struct {
		sync.Mutex // also of what is sent, as the order counts
		readers    map[int64]*reader
		asked      []int64 // watches that were asked for and not answered, in order
		last       int64   // number of the watch that was asked for last
		heard      bool
		aged       bool // no more watches can be added
		ended      error
	}
}

// add asks for a watch. It fails if the stream has ended.
func (s *stream) add(keys registry.Keys, from int64) (*reader, error) {
	// What is long comes in parts, so that the other watches, and signs of life, need not wait for all of it.
	req := &pb.WatchCreateRequest{Key: []byte(keys.Name), StartRevision: from, Fragment: true}
	if keys.Prefix {
		req.RangeEnd = []byte(clientv3.GetPrefixRangeEnd(keys.Name))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.mu.ended != nil:
		return nil, s.mu.ended
	case s.mu.aged:
		return nil, errAged
	}
	if err := s.ask(req); err != nil {
		return nil, err
	}
	r := &reader{stream: s, id: req.WatchId, key: req.Key, news: make(chan struct{}, 1)}
	s.mu.readers[r.id] = r
	return r, nil
}

// ask sends a request for a watch, which has a number of our choice.
func (s *stream) ask(req *pb.WatchCreateRequest) error {
	s.mu.last++
	req.WatchId = s.mu.last
	s.mu.asked = append(s.mu.asked, req.WatchId)
	return rpctypes.Error(s.rpc.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: req}}))
}

func (s *stream) cancel(id int64) error {
	return s.rpc.Send(&pb.WatchRequest{
		RequestUnion: &pb.WatchRequest_CancelRequest{CancelRequest: &pb.WatchCancelRequest{WatchId: id}},
	})
}

// probe has the other end speak: it answers when a watch begins and when it ends. That it does always, unlike a
// request for progress, which no etcd answers while a watch is behind, and not every one while a watch begins with the next
// revision.
func (s *stream) probe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.mu.readers {
		// Errors of these are ones of the receiver, too.
		if s.ask(&pb.WatchCreateRequest{Key: r.key}) == nil {
			_ = s.cancel(s.mu.last)
		}
		return
	}
}

// receive deals out what comes until the stream breaks.
func (s *stream) receive() {
	defer s.end(nil)
	defer s.guard.stop()
	for {
		resp, err := s.rpc.Recv()
		if err != nil {
			if errors.Is(context.Cause(s.rpc.Context()), errSilent) {
				err = errSilent
			}
			s.broke(rpctypes.Error(err))
			return
		}
		s.guard.listen()
		s.deal(resp)
	}
}

func (s *stream) deal(resp *pb.WatchResponse) {
	s.mu.Lock()
	s.mu.heard = true
	s.mu.aged = s.mu.aged || aged(resp)
	id := resp.WatchId
	if resp.Created && len(s.mu.asked) > 0 {
		// Answers come in the order of the requests, and one that refuses has no number.
		id, s.mu.asked = s.mu.asked[0], s.mu.asked[1:]
	}
	r := s.mu.readers[id]
	s.mu.Unlock()
	if r != nil && !r.put(resp) {
		r.leave()
	}
}

func (s *stream) broke(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.ended = err
	for _, r := range s.mu.readers {
		r.fail(err)
	}
}

func (s *stream) heard() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.heard
}

// reader is the near end of one watch.
type reader struct {
	stream *stream
	id     int64
	key    []byte
	news   chan struct{} // rings

	mu struct {
		sync.Mutex
		queue []*pb.WatchResponse
		size  int   // bytes in queue
		err   error // what comes after queue
	}
}

// put reports whether there was room.
func (r *reader) put(resp *pb.WatchResponse) bool {
	size := 0
	for _, e := range resp.Events {
		size += len(e.Kv.Key) + len(e.Kv.Value) + eventSize
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.ring()
	if r.mu.err == nil && r.mu.size > 0 && r.mu.size+size > maxQueued {
		r.mu.err = errBehind
	}
	if r.mu.err != nil {
		return false
	}
	r.mu.queue = append(r.mu.queue, resp)
	r.mu.size += size
	return true
}

func (r *reader) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.err == nil {
		r.mu.err = err
	}
	r.ring()
}

func (r *reader) ring() {
	select {
	case r.news <- struct{}{}:
	default:
	}
}

// next waits for what etcd tells next, and takes all of it. An error comes after all that came before it.
func (r *reader) next(ctx context.Context) ([]*pb.WatchResponse, error) {
	for {
		r.mu.Lock()
		queue, err := r.mu.queue, r.mu.err
		r.mu.queue, r.mu.size = nil, 0
		r.mu.Unlock()
		if len(queue) > 0 {
			return queue, nil
		}
		if err != nil {
			return nil, err
		}
		select {
		case <-r.news:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// leave ends the watch, and the stream with the last one.
func (r *reader) leave() {
	s := r.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.ended != nil || s.mu.readers[r.id] == nil {
		return
	}
	delete(s.mu.readers, r.id)
	if len(s.mu.readers) > 0 {
		_ = s.cancel(r.id) // an error of this is one of the receiver, too
		return
	}
	s.mu.ended = errLeft
	s.end(errLeft)
}
