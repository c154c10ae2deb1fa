package api

import (
	"encoding/base64"
	"encoding/binary"
	"net/url"
)

// pageToken says which page of a list is meant. On the wire it is fleet 1's:
// the page size and the number of the page (from 1) as two 16-bit
// little-endian numbers, in URL-safe base64. Numbers that do not fit there are
// written in the same way with 32 bits, which fleet 1 could not say.
type pageToken struct{ limit, page uint32 }

func (t pageToken) String() string {
	const max16 = 1<<16 - 1
	if t.limit > max16 || t.page > max16 {
		b := binary.LittleEndian.AppendUint32(nil, t.limit)
		return base64.URLEncoding.EncodeToString(binary.LittleEndian.AppendUint32(b, t.page))
	}
	b := binary.LittleEndian.AppendUint16(nil, uint16(t.limit))
	return base64.URLEncoding.EncodeToString(binary.LittleEndian.AppendUint16(b, uint16(t.page)))
}

func parsePageToken(s string) (pageToken, error) {
	b, err := base64.URLEncoding.DecodeString(s)
	if err != nil {
		return pageToken{}, badRequest("page token: %v", err)
	}
	switch len(b) {
	case 4:
		return pageToken{
			limit: uint32(binary.LittleEndian.Uint16(b)),
			page:  uint32(binary.LittleEndian.Uint16(b[2:])),
		}, nil
	case 8:
		return pageToken{limit: binary.LittleEndian.Uint32(b), page: binary.LittleEndian.Uint32(b[4:])}, nil
	}
	return pageToken{}, badRequest("page token has %d bytes, expect 4", len(b))
}

// requestedPage is the page that a request asks for, the first by default.
func (s *Server) requestedPage(query url.Values) (pageToken, error) {
	limit := uint32(s.o.PageSize)
	switch tokens := query["nextPageToken"]; {
	case len(tokens) > 1:
		return pageToken{}, badRequest("too many values for page token")
	case len(tokens) == 0 || tokens[0] == "":
		return pageToken{limit: limit, page: 1}, nil
	default:
		t, err := parsePageToken(tokens[0])
		if err != nil {
			return pageToken{}, err
		}
		if t.limit != limit {
			return pageToken{}, badRequest("token limit must be %d", limit)
		}
		if t.page == 0 {
			return pageToken{}, badRequest("token page must be greater than zero")
		}
		return t, nil
	}
}

// cut returns the bounds of the page in a list of that many items, and the
// token of the page behind it, empty if there is none.
func (t pageToken) cut(total int) (from, to int, next string) {
	first := uint64(t.page-1) * uint64(t.limit)
	if first >= uint64(total) {
		return total, total, ""
	}
	end := first + uint64(t.limit)
	if end >= uint64(total) {
		return int(first), total, ""
	}
	return int(first), int(end), pageToken{limit: t.limit, page: t.page + 1}.String()
}
