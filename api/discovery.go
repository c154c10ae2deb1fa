package api

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"net/http"
)

//go:embed discovery.json
var discoverySource []byte

// discoveryDocument describes v1 to generators of clients, as compact JSON.
func discoveryDocument() []byte {
	var b bytes.Buffer
	if err := json.Compact(&b, discoverySource); err != nil {
		panic("api: the embedded discovery.json is not JSON: " + err.Error())
	}
	return b.Bytes()
}

func (s *Server) getDiscovery(w http.ResponseWriter, _ *http.Request) error {
	writeBody(w, http.StatusOK, jsonType, s.discovery)
	return nil
}
