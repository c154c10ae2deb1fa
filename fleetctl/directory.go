package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"fleet/unit"
)

// isDirectory tells whether an argument means a directory of unit files. "web" meant web.service
// before it could mean a directory, and does so wherever there is such a unit.
func isDirectory(ctx context.Context, arg string, in present) (bool, error) {
	info, err := os.Stat(arg)
	if err != nil || !info.IsDir() {
		return false, nil
	}
	if strings.HasSuffix(arg, "/") || arg == "." || arg == ".." || strings.HasSuffix(arg, "/.") || strings.HasSuffix(arg, "/..") {
		return true, nil
	}
	path := unit.Complete(arg)
	if path == arg {
		return false, nil // a directory named as a unit
	}
	if _, err := os.Stat(path); err == nil || in == nil || strings.Contains(arg, "/") {
		return err != nil, nil
	}
	name, err := unit.ParseName(path)
	if err != nil {
		return true, nil // no unit can be meant
	}
	yes, err := in.knows(ctx, name)
	return !yes, err
}

// unitFiles lists the files of a directory that are named as units, and tells what else is there.
func (a *app) unitFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, &fault{exitError, fmt.Errorf("read the unit files in %s: %w", dir, err)}
	}
	var paths []string
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		why, err := notAUnitFile(path, e)
		switch {
		case err != nil:
			return nil, &fault{exitError, err}
		case e.Name() == stateFile, e.IsDir() && hidden(e.Name()): // such as .git
		case why != "":
			a.complain("Skipped %s: %s", path, why)
		default:
			paths = append(paths, path)
		}
	}
	if len(paths) == 0 {
		return nil, &fault{exitNotFound, fmt.Errorf("there are no unit files in %s", dir)}
	}
	return paths, nil
}

// notAUnitFile tells why an entry of a directory is passed over, if it is.
func notAUnitFile(path string, e fs.DirEntry) (string, error) {
	if hidden(e.Name()) {
		return "a hidden file", nil
	}
	mode := e.Type()
	if mode&fs.ModeSymlink != 0 {
		info, err := os.Stat(path)
		if err != nil {
			return "", fmt.Errorf("follow the link: %w", err)
		}
		mode = info.Mode().Type()
	}
	switch {
	case mode.IsDir():
		return "a directory", nil
	case unit.Complete(e.Name()) != e.Name():
		return "not named as a unit", nil
	case !mode.IsRegular():
		return "not a regular file", nil
	}
	return "", nil
}

// absent tells whether an error says that there is no such file.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}
