package main

import (
	"bufio"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// fromStdin is the argument that stands for those that standard input has.
const fromStdin = "-"

// needNothing is the cobra.PositionalArgs of commands without arguments.
func needNothing(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no arguments, but %q is given", cmd.Name(), args[0])
	}
	return nil
}

// arguments puts the lines of standard input in the place of "-". Empty lines and those that begin with "#" do not count.
func (a *app) arguments(args []string) ([]string, error) {
	var all []string
	read := false
	for _, arg := range args {
		if arg != fromStdin {
			all = append(all, arg)
			continue
		}
		if read {
			return nil, usage(errors.New(`"-" is given twice, but there is only one standard input`))
		}
		read = true
		lines := bufio.NewScanner(a.stdin)
		for lines.Scan() {
			if line := strings.TrimSpace(lines.Text()); line != "" && !strings.HasPrefix(line, "#") {
				all = append(all, line)
			}
		}
		if err := lines.Err(); err != nil {
			return nil, &fault{exitError, fmt.Errorf("read names from standard input: %w", err)}
		}
	}
	if len(all) == 0 {
		return nil, usage(errors.New("no units given on standard input"))
	}
	return all, nil
}
