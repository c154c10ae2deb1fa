package embedded

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
)

// ErrNoSnapshot: what was given is not a snapshot of an etcd, or not a whole one.
var ErrNoSnapshot = errors.New("not a whole snapshot of etcd")

// page is what the size of a database is a multiple of; the sum of a snapshot follows behind.
const page = 512

// takeSnapshot writes a snapshot to a file, without the sum at its end, which it is checked against.
func takeSnapshot(to *os.File, from io.Reader) error {
	size, err := io.Copy(to, from)
	if err != nil {
		return fmt.Errorf("receive the snapshot: %w", err)
	}
	content := size - sha256.Size
	if content <= 0 || content%page != 0 {
		return ErrNoSnapshot
	}
	given := make([]byte, sha256.Size)
	if _, err := to.ReadAt(given, content); err != nil {
		return fmt.Errorf("read the snapshot: %w", err)
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(to, 0, content)); err != nil {
		return fmt.Errorf("read the snapshot: %w", err)
	}
	if !bytes.Equal(sum.Sum(nil), given) {
		return ErrNoSnapshot
	}
	if err := to.Truncate(content); err != nil {
		return fmt.Errorf("write the snapshot: %w", err)
	}
	if err := to.Sync(); err != nil {
		return fmt.Errorf("write the snapshot: %w", err)
	}
	return nil
}
