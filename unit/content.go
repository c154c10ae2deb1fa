package unit

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// ContentID is the SHA-256 of a unit file's bytes, 64 lower-case hexadecimal digits.
type ContentID string

// IDOf is the id of a file with these bytes.
func IDOf(raw []byte) ContentID {
	sum := sha256.Sum256(raw)
	return ContentID(hex.EncodeToString(sum[:]))
}

// ParseContentID checks the form of an id.
func ParseContentID(s string) (ContentID, error) {
	if len(s) != 2*sha256.Size {
		return "", fmt.Errorf("content id %.80q: not %d hexadecimal digits", s, 2*sha256.Size)
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return "", fmt.Errorf("content id %q: %q is no lower-case hexadecimal digit", s, c)
		}
	}
	return ContentID(s), nil
}
