package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"

	"boothook/initramfs/report"
)

const reportHelp = `Say what boothook did in this boot: the verdict, what went wrong, parts, hooks,
what was written, late jobs, and when each stage ran. --json gives the report
as data; its "schema" grows when a field changes its meaning.

The report is ` + report.RunPath + `, or, of the last boot in which there was
one, ` + report.KeptPath + `.`

func runReport(_ context.Context, e env, args []string) error {
	flags := newFlags(e, "report", "report [--json] [--file FILE]", reportHelp)
	asJSON := flags.Bool("json", false, "print JSON")
	file := flags.String("file", "", "read this `file` instead")
	late := flags.String("late", report.LatePath, "the `file` that late jobs append to")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return usagef("%v", err)
	}
	if flags.NArg() > 0 {
		return usagef("report: no argument is needed")
	}
	text, err := readReport(*file)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	r, err := report.Decode(text)
	if err != nil {
		return err
	}
	lines, err := os.ReadFile(*late)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("report: %w", err)
	}
	r.MergeLate(lines)
	if *asJSON {
		out, err := r.Encode()
		if err != nil {
			return err
		}
		_, err = e.stdout.Write(out)
		return err
	}
	r.Text(e.stdout)
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
