package cli

import (
	"io"

	"github.com/spf13/cobra"
)

const completionHelp = `Writes the script by which a shell completes the commands, flags and values of
boothook. The packages of boothook bring all three.`

const completionExample = `  # bash, with the package bash-completion
  boothook completion bash >/etc/bash_completion.d/boothook
  # zsh
  boothook completion zsh >"${fpath[1]}/_boothook"
  # fish
  boothook completion fish >~/.config/fish/completions/boothook.fish
  # for this session only
  . <(boothook completion bash)`

// newCompletion makes "boothook completion". Cobra's own has a command for
// each shell, and one that does not exist here.
func newCompletion() *cobra.Command {
	shells := []string{"bash", "zsh", "fish"}
	return &cobra.Command{
		Use:               "completion bash|zsh|fish",
		Short:             "write a completion script for a shell",
		Long:              completionHelp,
		Example:           completionExample,
		ValidArgsFunction: cobra.FixedCompletions(shells, cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("completion: exactly one shell is needed")
			}
			if err := oneOf("completion: shell", args[0], shells); err != nil {
				return err
			}
			return writeCompletion(cmd.Root(), args[0], cmd.OutOrStdout())
		},
	}
}

func writeCompletion(root *cobra.Command, shell string, w io.Writer) error {
	const descriptions = true
	switch shell {
	case "bash":
		return root.GenBashCompletionV2(w, descriptions)
	case "zsh":
		return root.GenZshCompletion(w)
	default:
		return root.GenFishCompletion(w, descriptions)
	}
}
