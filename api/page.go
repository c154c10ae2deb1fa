package api

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"net/url"
)

// pageToken says which page of a list is meant. There are two kinds.
//
// Fleet 1's has the page size and the number of the page (from 1) as two 16-bit little-endian
// numbers. It means that page of the list as it is now.
//
// Ours says behind which item the page begins, and of which revision the pages before it were. It begins with
// a byte that tells it from others, and a check sum of itself and of what the list was asked for: it is good for
// that list alone. On the wire both are URL-safe base64.
type pageToken struct {
	limit int
	page  int // of fleet 1's

	ours     bool
	revision int64
	after    row
}

const (
	ourToken    = 2 // the first byte of ours
	tokenHeader = 5 // and the check sum
)

// text writes a token of ours for a list.
func (t pageToken) text(list string) string {
	b := make([]byte, tokenHeader, 64)
	b[0] = ourToken
	b = binary.AppendUvarint(b, uint64(t.limit))
	b = binary.AppendUvarint(b, uint64(t.revision))
	for _, s := range []string{t.after.value, t.after.key, t.after.minor} {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	binary.LittleEndian.PutUint32(b[1:], tokenSum(b, list))
	return base64.URLEncoding.EncodeToString(b)
}

func tokenSum(token []byte, list string) uint32 {
	return crc32.Update(crc32.ChecksumIEEE(token[tokenHeader:]), crc32.IEEETable, []byte(list))
}

// parsePageToken reads a token that was sent for a list.
func parsePageToken(s, list string) (pageToken, error) {
	b, err := base64.URLEncoding.DecodeString(s)
	if err != nil {
		return pageToken{}, badRequest("page token: %v", err)
	}
	switch {
	case len(b) == 4:
		return pageToken{limit: int(binary.LittleEndian.Uint16(b)), page: int(binary.LittleEndian.Uint16(b[2:]))}, nil
	case len(b) <= tokenHeader || b[0] != ourToken:
		return pageToken{}, badRequest("page token has %d bytes, expect 4", len(b))
	case binary.LittleEndian.Uint32(b[1:]) != tokenSum(b, list):
		return pageToken{}, badRequest("page token is not of this list: send it with the filters and the order of the request that it came from")
	}
	t := pageToken{ours: true}
	rest := b[tokenHeader:]
	t.limit = int(cutNumber(&rest))
	t.revision = int64(cutNumber(&rest))
	for _, s := range []*string{&t.after.value, &t.after.key, &t.after.minor} {
		n := min(cutNumber(&rest), uint64(len(rest)))
		*s, rest = string(rest[:n]), rest[n:]
	}
	return t, nil
}

// cutNumber takes a number off the front of b. What has the right check sum was written by us, and is whole.
func cutNumber(b *[]byte) uint64 {
	n, size := binary.Uvarint(*b)
	*b = (*b)[max(size, 0):]
	return n
}

// requestedPage is the page that a request asks for, the first by default. A token of ours brings its page size along.
func requestedPage(query url.Values, q *listQuery) (pageToken, error) {
	switch tokens := query[paramToken]; {
	case len(tokens) > 1:
		return pageToken{}, badRequest("too many values for page token")
	case len(tokens) == 0 || tokens[0] == "":
		return pageToken{limit: q.limit, page: 1}, nil
	default:
		t, err := parsePageToken(tokens[0], q.text)
		if err != nil {
			return pageToken{}, err
		}
		if t.ours {
			if query.Get(paramLimit) == "" && t.limit > 0 {
				q.limit = min(q.limit, t.limit)
			}
			return t, nil
		}
		if t.limit != q.limit {
			return pageToken{}, badRequest("token limit must be %d", q.limit)
		}
		if t.page == 0 {
			return pageToken{}, badRequest("token page must be greater than zero")
		}
		return t, nil
	}
}
