package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usageTemplate is how the flags and commands of a command are listed, in
// lines of at most 80 columns.
const usageTemplate = `Usage:{{if .HasParent}}
  {{.UseLine}}{{else}}
  {{.CommandPath}} COMMAND [flags] [ARGUMENTS]{{end}}{{if .HasExample}}

Examples:
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}

Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}

Flags:
{{.LocalFlags.FlagUsagesWrapped 80 | trimTrailingWhitespaces}}{{if not .HasParent}}

"boothook help COMMAND" explains one.{{end}}
`

// flagError adds to an error about an unknown flag the one that was meant.
func flagError(cmd *cobra.Command, err error) error {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return usageError(err)
	}
	name := unknown.GetSpecifiedName()
	if letters := unknown.GetSpecifiedShortnames(); letters != "" {
		// Long names have two dashes; with one it is a row of one-letter flags.
		name, _, _ = strings.Cut(letters, "=")
		err = fmt.Errorf("unknown flag: -%s", name)
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, "--"+f.Name)
		}
	})
	return usageError(fmt.Errorf("%w%s", err, didYouMean("--"+name, names)))
}

// didYouMean names those of names that a mistyped word comes near, in the
// form in which cobra does so for commands; empty for none.
func didYouMean(typed string, names []string) string {
	// Cobra measures the likeness of commands.
	likeness := &cobra.Command{SuggestionsMinimumDistance: 2}
	for _, name := range names {
		likeness.AddCommand(&cobra.Command{Use: name, Run: func(*cobra.Command, []string) {}})
	}
	near := likeness.SuggestionsFor(typed)
	if len(near) == 0 {
		return ""
	}
	return "\n\nDid you mean this?\n\t" + strings.Join(near, "\n\t") + "\n"
}

// oneOf checks a word that is one of a few.
func oneOf(what, word string, names []string) error {
	if slices.Contains(names, word) {
		return nil
	}
	return usagef("%s %q: not one of %s", what, word, strings.Join(names, ", "))
}
