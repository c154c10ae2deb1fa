package api

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"net/http"
)

// The documents that describe the API to generators of clients: v1 alone in Google's
// discovery format, and all of it in OpenAPI 3.1.
var (
	//go:embed discovery.json
	discoverySource []byte
	//go:embed openapi.json
	openapiSource []byte
)

// compact returns an embedded document as it is sent.
func compact(source []byte) []byte {
	var b bytes.Buffer
	if err := json.Compact(&b, source); err != nil {
		panic("api: an embedded document is not JSON: " + err.Error())
	}
	return b.Bytes()
}

func (s *Server) getDiscovery(w http.ResponseWriter, r *http.Request) error {
	showBody(w, r, contentTag(0, s.discovery), jsonType, s.discovery)
	return nil
}

func (s *Server) getOpenAPI(w http.ResponseWriter, r *http.Request) error {
	showBody(w, r, contentTag(0, s.openapi), jsonType, s.openapi)
	return nil
}
