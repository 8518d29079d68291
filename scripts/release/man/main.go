// Man writes boothook(1) from the command line itself, whose help says the
// same, and from the README's table of kernel words.
//
// Usage:
//
//	go run ./scripts/release/man DATE <README.md >boothook.1
//
// DATE is YYYY-MM-DD. Cobra has a writer of manual pages too; it makes a page
// for each command, and takes the help for Markdown, which it is not.
package main

import (
	_ "embed"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"boothook/cmd/boothook/cli"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "man: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string, readme io.Reader, w io.Writer) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: man DATE <README.md")
	}
	text, err := io.ReadAll(readme)
	if err != nil {
		return err
	}
	words, err := kernelWords(string(text))
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, page(cli.New(""), words, args[0]))
	return err
}

//go:embed tail.roff
var tail string

// page is the whole manual page.
func page(root *cobra.Command, words []word, date string) string {
	var b strings.Builder
	b.WriteString(".\\\" Made by scripts/release/man.\n")
	fmt.Fprintf(&b, ".TH BOOTHOOK 1 %q boothook \"User Commands\"\n", date)
	fmt.Fprintf(&b, ".SH NAME\nboothook \\- %s\n", roff(root.Short))
	b.WriteString(".SH SYNOPSIS\n.B boothook\n.I COMMAND\n[flags] [ARGUMENTS]\n")
	fmt.Fprintf(&b, ".SH DESCRIPTION\n%s\n", roff(root.Long))
	b.WriteString(".SH COMMANDS\n")
	for _, cmd := range root.Commands() {
		command(&b, cmd)
	}
	b.WriteString(".SH KERNEL WORDS\n")
	for _, w := range words {
		fmt.Fprintf(&b, ".TP\n\\fB%s\\fR\n%s\n", roff(w.form), roff(w.meaning))
	}
	b.WriteString(tail)
	return b.String()
}

// command writes what a command's help says.
func command(b *strings.Builder, cmd *cobra.Command) {
	fmt.Fprintf(b, ".SS %s\n%s.\n", cmd.Name(), roff(cmd.Short))
	asItStands(b, `\fB`+roff(cmd.UseLine())+`\fR`)
	if cmd.Long != "" {
		asItStands(b, roff(cmd.Long))
	}
	if cmd.Example != "" {
		b.WriteString(".PP\nExamples:\n")
		asItStands(b, roff(cmd.Example))
	}
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		fmt.Fprintf(b, ".TP\n\\fB%s\\fR \\fI%s\\fR\n%s\n", roff("--"+f.Name), roff(value), roff(usage+defaultOf(f)))
	})
}

// asItStands writes roff whose lines stay as they are.
func asItStands(b *strings.Builder, roff string) { fmt.Fprintf(b, ".PP\n.nf\n%s\n.fi\n", roff) }

// defaultOf tells a flag's default, if it is one that says something.
func defaultOf(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "0", "0s", "false", "[]":
		return ""
	}
	return fmt.Sprintf(" (default %s)", f.DefValue)
}

// A word is one row of the table of kernel words.
type word struct{ form, meaning string }

var tableRow = regexp.MustCompile("(?m)^\\| `(boothook\\..*|boothook=.*)` \\| (.*) \\| (.*) \\|$")

// kernelWords reads the table in the README.
func kernelWords(readme string) ([]word, error) {
	plain := strings.NewReplacer(`\|`, "|", "`", "")
	var words []word
	for _, m := range tableRow.FindAllStringSubmatch(readme, -1) {
		w := word{plain.Replace(m[1]), plain.Replace(m[2])}
		if m[3] != "–" {
			w.meaning += " (" + plain.Replace(m[3]) + ")"
		}
		words = append(words, w)
	}
	if len(words) == 0 {
		return nil, fmt.Errorf("the README has no table of kernel words")
	}
	return words, nil
}

// roff protects text from being read as requests and escapes.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
