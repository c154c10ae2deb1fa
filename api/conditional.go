package api

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"strconv"
	"strings"
)

// listTag is the tag of a list at one revision: that alone, and what was asked for, decides what is in it. It is known
// before the list is, and weak because it is the same whatever the encoding. Another server, or
// the same one after a restart or after it has not followed the cluster for a while, has other tags.
func (s *Server) listTag(p *past, query, list string) string {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d %s %s", s.o.PageSize, list, query)
	return fmt.Sprintf(`W/"%x-%x-%x"`, s.cache().life, p.version, h.Sum64())
}

// contentTag is the tag of a body. A number that comes before the hash says which generation of a unit it is about.
func contentTag(generation int64, body []byte) string {
	h := fnv.New64a()
	_, _ = h.Write(body)
	hash := fmt.Sprintf("%016x", h.Sum64())
	if generation == 0 {
		return strconv.Quote(hash)
	}
	return fmt.Sprintf(`"%d-%s"`, generation, hash)
}

// generationOf leaves of the tag of a unit what its generation alone is tagged with: whoever has looked at a
// unit may change it, whatever has happened to its copies since.
func generationOf(tag string) string {
	if generation, _, found := strings.Cut(tag, "-"); found {
		return generation + `"`
	}
	return tag
}

// show answers a GET with JSON. generation is that of the unit which is shown, if it is one.
func show(w http.ResponseWriter, r *http.Request, generation int64, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	showBody(w, r, contentTag(generation, body), jsonType, body)
	return nil
}

// showBody answers a GET, with 304 if the client has the body.
func showBody(w http.ResponseWriter, r *http.Request, tag, contentType string, body []byte) {
	if !notModified(w, r, tag) {
		writeBody(w, http.StatusOK, contentType, body)
	}
}

// notModified tags an answer. If the client has it already it answers with 304, and returns true.
func notModified(w http.ResponseWriter, r *http.Request, tag string) bool {
	w.Header().Set("ETag", tag)
	for sent := range strings.SplitSeq(strings.Join(r.Header.Values("If-None-Match"), ","), ",") {
		if sent = strings.TrimSpace(sent); sent == "*" || opaque(sent) == opaque(tag) {
			w.WriteHeader(http.StatusNotModified)
			return true
		}
	}
	return false
}

// gzipMark is at the end of the tag of a compressed answer: it has other bytes.
const gzipMark = "-gzip"

// opaque is what of a tag is compared when it does not matter whether the bytes are the same.
func opaque(tag string) string {
	tag = strings.Trim(strings.TrimPrefix(tag, "W/"), `"`)
	return strings.TrimSuffix(tag, gzipMark)
}
