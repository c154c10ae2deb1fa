package api

import (
	"strconv"
	"time"
)

// Words that both ends of the wire must agree on, and that are not in a type.
const (
	jsonType         = "application/json"
	textType         = "text/plain; charset=utf-8"
	linesType        = "application/x-ndjson"
	bytesType        = "application/octet-stream"
	serverName       = "fleetd/"          // Server header, followed by the version
	revisionHeader   = "Fleet-Revision"   // of the cluster as a list shows it
	generationHeader = "Fleet-Generation" // of the unit after a change

	pingInterval = 15 * time.Second
)

// Parameters of lists.
const (
	paramName     = "unitName"
	paramGlob     = "glob"
	paramMachine  = "machineID"
	paramDesired  = "desiredState"
	paramLoad     = "loadState"
	paramActive   = "activeState"
	paramSub      = "subState"
	paramPhase    = "phase"
	paramGlobal   = "global"
	paramSelector = "selector"
	paramAbsent   = "absent"
	paramSort     = "sort"
	paramFields   = "fields"
	paramLimit    = "limit"
	paramToken    = "nextPageToken"
)

func etag(generation int64) string { return strconv.Quote(strconv.FormatInt(generation, 10)) }

// errorAnswer is the JSON of every error.
type errorAnswer struct {
	Error Error `json:"error"`
}
