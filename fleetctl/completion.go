package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print a script that completes commands in a shell",
		Long: `Print a script that makes a shell complete commands, flags, and the names of units and
machines, which are asked from the cluster.`,
		Example: `  source <(fleetctl completion bash)
  fleetctl completion bash > /usr/share/bash-completion/completions/fleetctl
  fleetctl completion zsh > /usr/share/zsh/site-functions/_fleetctl
  fleetctl completion fish > /usr/share/fish/vendor_completions.d/fleetctl.fish`,
		Annotations: map[string]string{offline: ""},
		ValidArgs:   []string{"bash", "zsh", "fish", "powershell"},
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || !slices.Contains(cmd.ValidArgs, args[0]) {
				return fmt.Errorf("expect one shell: %s", alternatives(cmd.ValidArgs))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return written(a.writeCompletion(cmd.Root(), args[0]))
		},
	}
}

// forInstances makes cobra's script for bash treat "@" as it does ":": bash divides words there, and what is
// completed begins with the last part only.
var forInstances = strings.NewReplacer(
	"init_completion -n =: ", "init_completion -n =:@ ",
	`_handle_special_char "$cur" :`, `_handle_special_char "$cur" :
    __fleetctl_handle_special_char "$cur" @`,
)

func (a *app) writeCompletion(root *cobra.Command, shell string) error {
	switch shell {
	case "bash":
		var script bytes.Buffer
		if err := root.GenBashCompletionV2(&script, true); err != nil {
			return err
		}
		_, err := forInstances.WriteString(a.stdout, script.String())
		return err
	case "zsh":
		return root.GenZshCompletion(a.stdout)
	case "fish":
		return root.GenFishCompletion(a.stdout, true)
	}
	return root.GenPowerShellCompletionWithDesc(a.stdout)
}
