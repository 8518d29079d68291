package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"boothook/initramfs/report"
)

const reportHelp = `Say what boothook did in this boot: the verdict, what went wrong, parts, hooks,
what was written, late jobs, and when each stage ran. --json gives the report
as data; its "schema" grows when a field changes its meaning.

The report is ` + report.RunPath + `, or, of the last boot in which there was
one, ` + report.KeptPath + `.`

// A reportCommand is what "boothook report" was asked for.
type reportCommand struct {
	json       bool
	file, late string
}

func newReport() *cobra.Command {
	var r reportCommand
	cmd := &cobra.Command{
		Use:               "report [flags]",
		Short:             "say what boothook did in this boot",
		Long:              reportHelp,
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return r.run(cmd) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&r.json, "json", false, "print JSON")
	flags.StringVar(&r.file, "file", "", "read this `file` instead")
	flags.StringVar(&r.late, "late", report.LatePath, "the `file` that late jobs append to")
	return cmd
}

func (r *reportCommand) run(cmd *cobra.Command) error {
	text, err := readReport(r.file)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	read, err := report.Decode(text)
	if err != nil {
		return err
	}
	lines, err := os.ReadFile(r.late)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("report: %w", err)
	}
	read.MergeLate(lines)
	if r.json {
		out, err := read.Encode()
		if err != nil {
			return err
		}
		_, err = cmd.OutOrStdout().Write(out)
		return err
	}
	read.Text(cmd.OutOrStdout())
	return nil
}

// readReport reads the report of this boot, or else the one that was kept.
func readReport(file string) ([]byte, error) {
	if file != "" {
		return os.ReadFile(file)
	}
	text, err := os.ReadFile(report.RunPath)
	if errors.Is(err, fs.ErrNotExist) {
		return os.ReadFile(report.KeptPath)
	}
	return text, err
}
