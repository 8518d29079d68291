// Workflow prints the steps of one job of a workflow file (GitHub Actions) as a
// shell script, so that they can be run elsewhere.
//
// Synopsis:
//
//	workflow FILE JOB
//
// What a step runs becomes a call of the function "step" with the commands on
// its standard input, and an action that it uses a call of "uses" with the
// action's name: both are for the caller to define. A step that has anything
// which a script cannot say, such as a condition or an expression, is an error.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: workflow FILE JOB")
		os.Exit(2)
	}
	text, err := os.ReadFile(os.Args[1])
	if err == nil {
		err = script(os.Stdout, text, os.Args[2])
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "workflow: %v\n", err)
		os.Exit(1)
	}
}

// A job is what is read of one; the rest says where it runs.
type job struct {
	Steps []yaml.Node
}

// A step has these fields, or it is not understood.
type step struct {
	Name, Uses, Run string
	With            map[string]string
}

// action is how the name of one looks: nothing that a shell would read otherwise.
var action = regexp.MustCompile(`^[\w./-]+@[\w.-]+$`)

// end is the line that ends a step's commands in the script.
const end = "END-OF-STEP"

func script(w io.Writer, text []byte, name string) error {
	var file struct{ Jobs map[string]job }
	if err := yaml.Unmarshal(text, &file); err != nil {
		return err
	}
	j, ok := file.Jobs[name]
	if !ok {
		return fmt.Errorf("no job %q", name)
	}
	if len(j.Steps) == 0 {
		return fmt.Errorf("job %s has no steps", name)
	}
	for i := range j.Steps {
		s, err := decode(&j.Steps[i])
		if err != nil {
			return fmt.Errorf("job %s, step %d: %w", name, i+1, err)
		}
		if s.Uses != "" {
			fmt.Fprintf(w, "uses %s\n", s.Uses)
			continue
		}
		fmt.Fprintf(w, "step <<'%s'\n%s\n%[1]s\n", end, strings.TrimRight(s.Run, "\n"))
	}
	return nil
}

func decode(n *yaml.Node) (step, error) {
	// Encoded once more, because only a decoder of bytes refuses fields that it
	// does not know.
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	text, err := yaml.Marshal(n)
	if err != nil {
		return step{}, err
	}
	var s step
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&s); err != nil {
		return s, err
	}
	switch {
	case (s.Uses == "") == (s.Run == ""):
		return s, errors.New("it must either run or use something")
	case s.Uses != "" && !action.MatchString(s.Uses):
		return s, fmt.Errorf("not the name of an action: %q", s.Uses)
	case strings.Contains(s.Run, "${{"):
		return s, errors.New("its commands have an expression")
	case strings.Contains(s.Run, end):
		return s, fmt.Errorf("its commands contain %s", end)
	}
	return s, nil
}
