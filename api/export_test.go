package api

import "context"

// Await waits until the server's cache has been filled and has reached a revision.
func Await(ctx context.Context, s *Server, revision int64) bool {
	s.cache.await(ctx, revision)
	return ctx.Err() == nil
}
