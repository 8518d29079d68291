package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpWidth is how wide the help is, in columns.
const helpWidth = 80

// usage lists the flags and commands of a command. It is no template: those
// keep the linker from leaving out methods, which is 2 MB of the tool.
func usage(cmd *cobra.Command) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage:\n  %s\n", cmd.UseLine())
	if cmd.Example != "" {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", cmd.Example)
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprint(&b, "\nCommands:\n")
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				fmt.Fprintf(&b, "  %-*s %s\n", c.NamePadding(), c.Name(), c.Short)
			}
		}
	}
	fmt.Fprintf(&b, "\nFlags:\n%s", cmd.LocalFlags().FlagUsagesWrapped(helpWidth))
	if !cmd.HasParent() {
		fmt.Fprint(&b, "\n\"boothook help COMMAND\" explains one.\n")
	}
	_, err := io.WriteString(cmd.OutOrStdout(), b.String())
	return err
}

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
