// Jinja compares how boothook and cloud-init render templates: one draws them
// from a grammar over all that package jinja knows, and both render them with
// the same instance data.
//
// Synopsis:
//
//	jinja --chroot DIR [--templates N] [--seed N] [--show N] [--record FILE]
//
// DIR is a root file system with python3 and a cloud-init package in it
// (chroot.sh makes one); being root is needed to enter it. The seed is printed:
// the same one draws the same templates. A difference is silent where boothook
// gives a text and cloud-init gives another, or none. Such a difference, or
// more than one template in ten that boothook refuses, makes the exit status 1.
// Before those that are drawn come those of collected.json, in which something
// was different once; FILE gets them with what cloud-init makes of them.
//
// Nothing of package jinja is used here but Variables and Render, which are
// judged.
package main

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"

	"boothook/injector/jinja"
	"boothook/scripts/conformance/probe"
)

//go:embed probe.py
var program string

//go:embed variables.json
var variables []byte

//go:embed collected.json
var collected []byte

// mostRefused is the share of templates that may be refused, as 1 in n.
const mostRefused = 10

func main() {
	if err := run(os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "jinja:", err)
		os.Exit(1)
	}
}

func run(out io.Writer, args []string) error {
	fs := flag.NewFlagSet("jinja", flag.ContinueOnError)
	chroot := fs.String("chroot", "", "the root file system with cloud-init")
	count := fs.Int("templates", 100000, "how many templates to draw")
	seed := fs.Uint64("seed", rand.Uint64(), "where chance begins")
	record := fs.String("record", "", "a file for what cloud-init makes of the collected templates")
	show := fs.Int("show", 20, "how many differences, and kinds of refusals, to print")
	if err := fs.Parse(args); err != nil {
		return err
	}
	fmt.Fprintf(out, "seed %d\n", *seed)
	d := &drawer{Rand: rand.New(rand.NewPCG(*seed, 0))}
	var templates []string
	if err := json.Unmarshal(collected, &templates); err != nil {
		return fmt.Errorf("collected templates: %w", err)
	}
	known := len(templates)
	for range *count {
		templates = append(templates, d.template())
	}
	version, theirs, err := ask(*chroot, templates)
	if err != nil {
		return err
	}
	if *record != "" {
		if err := write(*record, templates[:known], theirs); err != nil {
			return err
		}
	}
	ours, err := newRenderer()
	if err != nil {
		return err
	}
	return compare(out, version, templates, theirs, ours, *show)
}

// write keeps what cloud-init makes of templates.
func write(file string, templates []string, theirs []answer) error {
	type recorded struct {
		Template string  `json:"template"`
		Want     *string `json:"want"` // null where it refuses
	}
	var list []recorded
	for i, t := range templates {
		list = append(list, recorded{t, theirs[i].Text})
	}
	var sb strings.Builder
	enc := json.NewEncoder(&sb)
	enc.SetIndent("", "\t")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(list); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(sb.String()), 0o644)
}

// An answer is what one side makes of a template.
type answer struct {
	Text  *string `json:"text"`
	Error string  `json:"error"`
}

// ask has cloud-init render the templates.
func ask(chroot string, templates []string) (version string, answers []answer, err error) {
	cmd := probe.Command(chroot, program)
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	from, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("run cloud-init: %w", err)
	}
	go func() {
		defer in.Close()
		w := bufio.NewWriter(in)
		defer w.Flush()
		enc := json.NewEncoder(w)
		enc.Encode(json.RawMessage(variables))
		for _, t := range templates {
			enc.Encode(t)
		}
	}()
	dec := json.NewDecoder(bufio.NewReader(from))
	var head struct{ Version string }
	err = dec.Decode(&head)
	for len(answers) < len(templates) && err == nil {
		var a answer
		if err = dec.Decode(&a); err == nil {
			answers = append(answers, a)
		}
	}
	if wait := cmd.Wait(); err == nil {
		err = wait
	}
	if err != nil {
		return "", nil, fmt.Errorf("read what cloud-init made of template %d: %w", len(answers), err)
	}
	return head.Version, answers, nil
}

// newRenderer gives what renders on our side.
func newRenderer() (func(template string) answer, error) {
	var data map[string]any
	if err := json.Unmarshal(variables, &data); err != nil { // as the agent reads meta-data
		return nil, err
	}
	vars := jinja.Variables(data)
	return func(template string) answer {
		text, _, err := jinja.Render([]byte(template), vars)
		if err != nil {
			return answer{Error: err.Error()}
		}
		s := string(text)
		return answer{Text: &s}
	}, nil
}

func compare(out io.Writer, version string, templates []string, theirs []answer, render func(string) answer, show int) error {
	alike, bothRefuse, refused, silent := 0, 0, 0, 0
	reasons := map[string]int{}
	example := map[string]string{}
	because := func(who string, a answer, t string) {
		_, reason, _ := strings.Cut(a.Error, ": ")
		reason = who + ": " + strings.TrimPrefix(reason[strings.Index(reason, ": ")+1:], " ")
		reasons[reason]++
		if old, ok := example[reason]; !ok || len(t) < len(old) {
			example[reason] = t
		}
	}
	for i, t := range templates {
		we, they := render(t), theirs[i]
		switch {
		case we.Text != nil && they.Text != nil && *we.Text == *they.Text:
			alike++
		case we.Text == nil && they.Text == nil:
			bothRefuse++
			because("both", they, t)
		case we.Text == nil:
			refused++
			because("boothook alone", we, t)
		default:
			if silent++; silent <= show {
				fmt.Fprintf(out, "%q\n\tcloud-init: %s\n\tboothook:   %s\n", t, they, we)
			}
		}
	}
	byCount := slices.SortedFunc(maps.Keys(reasons), func(a, b string) int { return reasons[b] - reasons[a] })
	for _, r := range byCount[:min(show, len(byCount))] {
		fmt.Fprintf(out, "refused %d times by %s; as in %q\n", reasons[r], r, example[r])
	}
	share := func(n int) float64 { return 100 * float64(n) / float64(len(templates)) }
	fmt.Fprintf(out, "cloud-init %s: %d templates: %d alike (%.1f %%), %d refused by both (%.1f %%), %d by boothook alone (%.1f %%), %d silent differences\n",
		version, len(templates), alike, share(alike), bothRefuse, share(bothRefuse), refused, share(refused), silent)
	switch {
	case silent > 0:
		return errors.New("boothook gives a text that cloud-init does not give")
	case (refused+bothRefuse)*mostRefused > len(templates):
		return fmt.Errorf("boothook refuses more than one template in %d", mostRefused)
	}
	return nil
}

func (a answer) String() string {
	if a.Text != nil {
		return fmt.Sprintf("%q", *a.Text)
	}
	return "refused: " + a.Error
}
