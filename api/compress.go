package api

import (
	"compress/gzip"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// worthCompressing is the size from which a body is compressed, in bytes.
const worthCompressing = 1 << 10

// compressed makes answers to GET and HEAD smaller, for clients that accept it. What it returns has to be
// closed when the request has been answered.
func compressed(w http.ResponseWriter, r *http.Request, writers *sync.Pool) *compressor {
	w.Header().Set("Vary", "Accept-Encoding")
	return &compressor{ResponseWriter: w, head: r.Method == http.MethodHead, accepted: acceptsGzip(r), writers: writers}
}

// compressor holds the first bytes of a body back, until it is known whether there is enough of it. Streams
// that are to be read as they are written, and what is no text, it lets pass.
type compressor struct {
	http.ResponseWriter
	head     bool // the body is not sent
	accepted bool
	writers  *sync.Pool // of *gzip.Writer

	code    int // 0: the header has not been written
	passing bool
	silent  bool // nothing more is sent
	held    []byte
	zip     *gzip.Writer // nil while nothing is compressed
}

func (c *compressor) WriteHeader(code int) {
	if c.code != 0 {
		return
	}
	c.code = code
	if !c.eligible() {
		c.pass()
	}
}

// eligible tells whether the body may be compressed if there is enough of it.
func (c *compressor) eligible() bool {
	media, _, _ := strings.Cut(c.Header().Get("Content-Type"), ";")
	_, sized := c.Header()["Content-Length"]
	bodiless := c.code < http.StatusOK || c.code == http.StatusNoContent || c.code == http.StatusNotModified
	return c.accepted && !bodiless && (media == jsonType || sized && strings.HasPrefix(media, "text/"))
}

func (c *compressor) Write(b []byte) (int, error) {
	if c.code == 0 {
		c.WriteHeader(http.StatusOK)
	}
	switch {
	case c.silent:
		return len(b), nil
	case c.passing:
		return c.ResponseWriter.Write(b)
	case c.zip != nil:
		return c.zip.Write(b)
	case len(c.held)+len(b) < worthCompressing:
		c.held = append(c.held, b...)
		return len(b), nil
	}
	c.compress()
	if c.silent {
		return len(b), nil
	}
	if _, err := c.zip.Write(c.held); err != nil {
		return 0, err
	}
	return c.zip.Write(b)
}

// compress begins to. The answer to HEAD has the header of it, but for the length, which is not known.
func (c *compressor) compress() {
	h := c.Header()
	h.Set("Content-Encoding", "gzip")
	h.Del("Content-Length")
	if tag := h.Get("ETag"); strings.HasPrefix(tag, `"`) {
		h.Set("ETag", strings.TrimSuffix(tag, `"`)+gzipMark+`"`)
	}
	c.ResponseWriter.WriteHeader(c.code)
	if c.head {
		c.silent = true // or net/http would tell the length of what it is given
		return
	}
	c.zip, _ = c.writers.Get().(*gzip.Writer)
	if c.zip == nil {
		c.zip, _ = gzip.NewWriterLevel(nil, gzip.BestSpeed) // a level that there is
	}
	c.zip.Reset(c.ResponseWriter)
}

// pass sends the body as it is from here on.
func (c *compressor) pass() {
	c.passing = true
	c.ResponseWriter.WriteHeader(c.code)
	// The connection's errors are net/http's to see.
	_, _ = c.ResponseWriter.Write(c.held)
	c.held = nil
}

// FlushError is called through http.ResponseController: what was written so far goes to the client.
func (c *compressor) FlushError() error {
	if c.code == 0 {
		c.WriteHeader(http.StatusOK)
	}
	switch {
	case c.zip != nil:
		if err := c.zip.Flush(); err != nil {
			return fmt.Errorf("flush a compressed answer: %w", err)
		}
	case !c.passing && !c.silent:
		c.pass()
	}
	return http.NewResponseController(c.ResponseWriter).Flush()
}

// Unwrap lets http.ResponseController set deadlines.
func (c *compressor) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// close sends what is left.
func (c *compressor) close() {
	switch {
	case c.zip != nil:
		_ = c.zip.Close() // of the connection
		c.writers.Put(c.zip)
	case c.code != 0 && !c.passing && !c.silent:
		c.Header().Set("Content-Length", strconv.Itoa(len(c.held)))
		c.pass()
	}
}

// acceptsGzip reads Accept-Encoding. Without one nothing is compressed.
func acceptsGzip(r *http.Request) bool {
	accepted := false
	for coding := range strings.SplitSeq(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		name, weight, _ := strings.Cut(strings.ReplaceAll(coding, " ", ""), ";")
		refused := strings.HasPrefix(weight, "q=0") && strings.Trim(weight, "q=0.") == ""
		switch strings.ToLower(name) {
		case "gzip":
			return !refused
		case "*":
			accepted = !refused
		}
	}
	return accepted
}
