// Conformance compares what boothook makes of user-data with what a real
// cloud-init makes of it: parts, names, types, merged cloud-config and the
// bytes of the scripts on disk.
//
// Synopsis:
//
//	conformance --chroot DIR --cases DIR[,DIR] --differences FILE
//
// DIR is a root file system with python3 and a cloud-init package in it
// (chroot.sh makes one); being root is needed to enter it. Where the two
// differ the difference must be listed in FILE, with the fact it rests on,
// and every line of FILE must be true. The exit status is 1 if not, or if
// more than a tenth of the inputs differ.
package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"boothook/injector/userdata/userdatatest"
	"boothook/scripts/conformance/probe"
)

//go:embed probe.py
var program string

// mostDifferences is the share of the inputs that may differ, as 1 in n.
const mostDifferences = 10

// An input is a case as the probe reads it.
type input struct {
	Input   []byte            `json:"input"`
	Answers map[string][]byte `json:"answers"`
	Errors  map[string]string `json:"errors"`
}

// A probed value is what the probe prints.
type probed struct {
	Version string            `json:"version"`
	Results map[string]result `json:"results"`
}

func main() {
	if err := run(os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(out io.Writer, args []string) error {
	fs := flag.NewFlagSet("conformance", flag.ContinueOnError)
	chroot := fs.String("chroot", "", "the root file system with cloud-init")
	dirs := fs.String("cases", "", "where the cases are, separated by commas")
	listed := fs.String("differences", "", "the list of known differences")
	verbose := fs.Bool("v", false, "show every difference, listed or not")
	if err := fs.Parse(args); err != nil {
		return err
	}
	var cases []userdatatest.Case
	for dir := range strings.SplitSeq(*dirs, ",") {
		c, err := userdatatest.Load(dir)
		if err != nil {
			return err
		}
		cases = append(cases, c...)
	}
	theirs, err := ask(*chroot, cases)
	if err != nil {
		return err
	}
	known, err := readDifferences(*listed, theirs.Version)
	if err != nil {
		return err
	}
	return compare(out, cases, theirs, known, *verbose)
}

// ask runs the probe over the cases in a chroot.
func ask(chroot string, cases []userdatatest.Case) (probed, error) {
	inputs := map[string]input{}
	for _, c := range cases {
		in := input{append([]byte{}, c.Input...), map[string][]byte{}, map[string]string{}}
		for url, a := range c.Answers {
			if a.Err != nil {
				in.Errors[url] = a.Err.Error()
			} else {
				in.Answers[url] = append([]byte{}, a.Body...)
			}
		}
		inputs[c.Name] = in
	}
	var p probed
	err := probe.Ask(chroot, program, map[string]any{"variables": json.RawMessage(variables), "cases": inputs}, &p)
	return p, err
}

// compare prints what differs and fails if that is not what is known.
func compare(out io.Writer, cases []userdatatest.Case, theirs probed, known *differences, verbose bool) error {
	different, unlisted := 0, 0
	for _, c := range cases {
		we, err := ours(c)
		if err != nil {
			return err
		}
		aspects := theirs.Results[c.Name].differ(we)
		if len(aspects) > 0 {
			different++
		}
		for _, a := range aspects {
			listed := known.take(c.Name, a.name)
			if !listed {
				unlisted++
			}
			if !listed || verbose {
				fmt.Fprintf(out, "%s: %s (%s)\n%s\n", c.Name, a.name, c.About, a.detail)
			}
		}
	}
	stale := known.untaken()
	fmt.Fprintf(out, "cloud-init %s: %d inputs, %d alike, %d differ (%.1f %%); %d differences not listed, %d listed but gone\n",
		theirs.Version, len(cases), len(cases)-different, different, 100*float64(different)/float64(len(cases)), unlisted, len(stale))
	for _, s := range stale {
		fmt.Fprintln(out, "listed but gone:", s)
	}
	if unlisted > 0 || len(stale) > 0 {
		return errors.New("the list of differences is not what was found")
	}
	if different*mostDifferences > len(cases) {
		return fmt.Errorf("more than one input in %d differs", mostDifferences)
	}
	return nil
}

// differences is the list of what is known to differ from one version.
type differences struct {
	lines map[string]bool // "CASE ASPECT", true once taken
}

// readDifferences reads lines of "VERSIONS CASE ASPECT[,ASPECT] ROW WHY";
// VERSIONS is a comma-separated list of how versions begin, or "*".
func readDifferences(file, version string) (*differences, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	d := &differences{map[string]bool{}}
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		if len(words) < 5 || !strings.HasPrefix(words[3], "§") {
			return nil, fmt.Errorf("%s:%d: not VERSIONS CASE ASPECTS ROW WHY", file, n)
		}
		if !slices.ContainsFunc(strings.Split(words[0], ","), func(v string) bool {
			return v == "*" || strings.HasPrefix(version, v)
		}) {
			continue
		}
		for aspect := range strings.SplitSeq(words[2], ",") {
			d.lines[words[1]+" "+aspect] = false
		}
	}
	return d, nil
}

func (d *differences) take(name, aspect string) bool {
	key := name + " " + aspect
	_, ok := d.lines[key]
	if ok {
		d.lines[key] = true
	}
	return ok
}

func (d *differences) untaken() []string {
	var out []string
	for line, taken := range d.lines {
		if !taken {
			out = append(out, line)
		}
	}
	slices.Sort(out)
	return out
}
