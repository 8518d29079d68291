package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"boothook/cmd/boothook/lint"
)

const lintHelp = `Check user-data without a root: types, YAML, the keys and values of
cloud-config, jobs, scripts and templates. Each finding is a line

  FILE:LINE:COLUMN: MESSAGE          in a document of one part
  FILE: PART:LINE:COLUMN: MESSAGE    in one of several

with "warning: " before what loses nothing, and the column in YAML only. Shell
scripts are read by their own shell with -n, where this machine has it; nothing
is run.

--as takes FILE as one part of that type, whatever it looks like. An upstart
job is then accepted or refused as upstart would, in upstart's words.

--root also plans FILE for the root in that directory, and checks what would be
written against what reads it there: units and drop-ins by systemd-analyze,
where this machine has it; .network and .link files, udev rules, sysctl,
modules, tmpfiles and sysusers files; and whether the root is too old for them.

The exit status is 1 when anything but warnings was found.`

var errFound = errors.New("errors were found")

// A lintCommand is what "boothook lint" was asked for.
type lintCommand struct {
	root, as    string
	json, fetch bool
}

func newLint() *cobra.Command {
	var l lintCommand
	cmd := &cobra.Command{
		Use:               "lint [flags] FILE|-",
		Short:             "check user-data",
		Long:              lintHelp,
		Args:              exactlyOneFile,
		ValidArgsFunction: oneFile,
		RunE:              func(cmd *cobra.Command, args []string) error { return l.run(cmd, args[0]) },
	}
	flags := cmd.Flags()
	flags.StringVar(&l.root, "root", "", "check it for the root in this `directory`")
	flags.StringVar(&l.as, "as", "", "take FILE as a part of this `type`: "+strings.Join(partTypes(), ", ")+"; or the whole of its MIME type")
	flags.BoolVar(&l.json, "json", false, "print JSON")
	flags.BoolVar(&l.fetch, "fetch", false, "fetch what #include names")
	completes(cmd, "as", partTypes()...)
	completesDirectories(cmd, "root")
	return cmd
}

// textType is what the MIME types of all parts begin with.
const textType = "text/"

// partTypes are the short names of what a part can be checked as.
func partTypes() []string {
	var names []string
	for _, t := range lint.Types() {
		names = append(names, strings.TrimPrefix(t, textType))
	}
	return names
}

func (l *lintCommand) run(cmd *cobra.Command, file string) error {
	request := lint.Request{Name: file, Root: l.root, Fetch: l.fetch}
	if l.as != "" {
		if l.root != "" {
			return usagef("lint: --as and --root exclude each other")
		}
		short := strings.TrimPrefix(l.as, textType)
		if err := oneOf("lint: --as", short, partTypes()); err != nil {
			return err
		}
		request.As = textType + short
	}
	var err error
	if request.Document, err = readDocument(cmd, file); err != nil {
		return fmt.Errorf("lint: %w", err)
	}
	found, err := lint.Check(cmd.Context(), request)
	if err == nil {
		if l.json {
			err = found.JSON(cmd.OutOrStdout())
		} else {
			err = found.Text(cmd.OutOrStdout())
		}
	}
	if err == nil && found.Failed() {
		err = errFound
	}
	if err != nil {
		return fmt.Errorf("lint %s: %w", file, err)
	}
	return nil
}
