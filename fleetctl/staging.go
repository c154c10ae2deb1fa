package main

import (
	"bytes"
	"os"
	"path/filepath"
)

// staging is where the files of a directory that are to change are written in full before any of them takes its
// place: a hidden directory in it, and so on the same file system.
type staging struct {
	dir, hidden string
	names       []string // of files that wait for their places
}

func newStaging(dir string) (*staging, error) {
	hidden, err := os.MkdirTemp(dir, ".fleetctl-export-")
	return &staging{dir: dir, hidden: hidden}, err
}

func (s *staging) remove() {
	_ = os.RemoveAll(s.hidden) // nobody looks at what is hidden, the next export included
}

// write keeps a file for its place, unless what is there is like that already.
func (s *staging) write(name string, raw []byte) (differs bool, err error) {
	if old, err := os.ReadFile(filepath.Join(s.dir, name)); err == nil && bytes.Equal(old, raw) {
		return false, nil
	}
	s.names = append(s.names, name)
	return true, os.WriteFile(filepath.Join(s.hidden, name), raw, 0o644)
}

// place puts the files where they belong, in the sequence in which they were written. Nobody ever sees half of one.
func (s *staging) place() (placed int, err error) {
	for _, name := range s.names {
		if err := os.Rename(filepath.Join(s.hidden, name), filepath.Join(s.dir, name)); err != nil {
			return placed, err
		}
		placed++
	}
	return placed, nil
}
