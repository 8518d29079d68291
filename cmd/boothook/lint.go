package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"

	"boothook/injector/cloudconfig"
	"boothook/injector/hooks"
	"boothook/injector/jobs/upstart"
	"boothook/injector/userdata"
	"boothook/netboot/instance"
)

const lintHelp = `Check user-data without a root: types, YAML, the keys and values of cloud-config,
jobs, scripts and templates. Each finding is a line

  FILE:LINE:COLUMN: MESSAGE          in a document of one part
  FILE: PART:LINE:COLUMN: MESSAGE    in one of several

with "warning: " before what loses nothing, and the column in YAML only. Shell scripts are read by their own
shell with -n, where this machine has it; nothing is run.

--as takes FILE as one part of that type, whatever it looks like: upstart-job,
cloud-config, cloud-boothook, x-shellscript or any MIME type. An upstart job is
then accepted or refused as upstart would, in upstart's words.

--root also plans FILE for the root in that directory, and checks what would be
written against what reads it there: units and drop-ins by systemd-analyze,
where this machine has it; .network and .link files, udev rules, sysctl,
modules, tmpfiles and sysusers files; and whether the root is too old for them.

The exit status is 1 when anything but warnings was found.`

// syntaxTime bounds the syntax check of one script.
const syntaxTime = 5 * time.Second

var errFound = errors.New("errors were found")

func runLint(ctx context.Context, e env, args []string) error {
	fs := newFlags(e, "lint", "lint [--as TYPE | --root DIR] [--json] [--fetch] FILE|-", lintHelp)
	dir := fs.String("root", "", "check it for the root in this `directory`")
	as := fs.String("as", "", "take FILE as a part of this `type`")
	asJSON := fs.Bool("json", false, "print JSON")
	fetch := fs.Bool("fetch", false, "fetch what #include names")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return usagef("%v", err)
	}
	if fs.NArg() != 1 {
		return usagef("lint: exactly one FILE is needed")
	}
	if *as != "" && *dir != "" {
		return usagef("lint: --as and --root exclude each other")
	}
	file := fs.Arg(0)
	doc, err := readDocument(e, file)
	if err != nil {
		return fmt.Errorf("lint: %w", err)
	}
	var decoded userdata.Decoded
	if *as != "" {
		decoded.Parts = []userdata.Part{{Index: 1, Name: file, Type: fullType(*as), Origin: file, Body: doc}}
	} else {
		decoded = decodeAll(ctx, doc, file, *fetch)
		for _, w := range decoded.Wants {
			decoded.Problems = append(decoded.Problems, instance.Problem{Origin: w.Origin, Line: w.Line, Warning: true,
				Message: "included documents are not checked without --fetch"})
		}
	}
	problems := append(decoded.Problems, lintParts(ctx, decoded.Parts)...)
	if *dir == "" {
		problems = append(problems, cloudconfig.Lint(decoded.Parts)...)
	} else if planned, err := lintRoot(ctx, *dir, file, doc, *fetch); err != nil {
		return fmt.Errorf("lint %s: %w", file, err)
	} else {
		said := problems
		problems = append(problems, slices.DeleteFunc(planned, func(p instance.Problem) bool { return slices.Contains(said, p) })...)
	}
	found := withColumns(problems, decoded.Parts)
	if *asJSON {
		err = writeFindings(e.stdout, found)
	} else {
		for _, p := range found {
			fmt.Fprintln(e.stdout, finding(file, len(decoded.Parts) > 1, p))
		}
	}
	if err != nil {
		return fmt.Errorf("lint %s: %w", file, err)
	}
	if slices.ContainsFunc(found, func(p located) bool { return !p.Warning }) {
		return fmt.Errorf("lint %s: %w", file, errFound)
	}
	return nil
}

// fullType is the MIME type that a short name means.
func fullType(name string) string {
	if strings.Contains(name, "/") {
		return name
	}
	return "text/" + name
}

// finding is one line of the output. In a document of several parts it names
// the part; a line is that of the part, which alone is that of the file.
func finding(file string, several bool, p located) string {
	var where strings.Builder
	where.WriteString(file + ":")
	if several && p.Part != "" {
		where.WriteString(" " + p.Part + ":")
	}
	if p.Line > 0 {
		fmt.Fprintf(&where, "%d:", p.Line)
	}
	if p.Column > 0 {
		fmt.Fprintf(&where, "%d:", p.Column)
	}
	if p.Warning {
		where.WriteString(" warning:")
	}
	return where.String() + " " + p.Message
}

func writeFindings(w io.Writer, found []located) error {
	if found == nil {
		found = []located{}
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(map[string]any{"version": 1, "findings": found})
}

// lintParts checks every part by its type.
func lintParts(ctx context.Context, parts []userdata.Part) []instance.Problem {
	var found []instance.Problem
	for _, p := range parts {
		if p.Err != nil {
			continue // said by the decoder
		}
		for _, f := range lintPart(ctx, p) {
			f.Origin, f.Part = p.Origin, p.Name
			found = append(found, f)
		}
	}
	return found
}

func lintPart(ctx context.Context, p userdata.Part) []instance.Problem {
	switch p.Type {
	case userdata.TypeUpstartJob:
		return lintJob(p.Body)
	case userdata.TypeBoothook:
		return lintScript(ctx, hooks.FromPart(p).Body)
	case userdata.TypeScript, userdata.TypeScriptPerBoot, userdata.TypeScriptPerInstance, userdata.TypeScriptPerOnce:
		return lintScript(ctx, userdata.UnixLines(p.Body))
	case userdata.TypeJinja:
		_, problems := userdata.Render([]userdata.Part{p}, map[string]any{})
		return slices.DeleteFunc(problems, func(p instance.Problem) bool {
			return p.Warning // no variable is known here
		})
	}
	return nil
}

func lintJob(body []byte) []instance.Problem {
	job, err := upstart.Parse(body)
	if err != nil {
		problem := instance.Problem{Message: err.Error()}
		if e, ok := errors.AsType[*upstart.Error](err); ok {
			problem.Line, problem.Message = e.Line, string(e.Kind)
		}
		return []instance.Problem{problem}
	}
	var found []instance.Problem
	for _, w := range job.Warnings() {
		found = append(found, instance.Problem{Line: w.Line, Message: w.Message, Warning: true})
	}
	return found
}

// lintScript checks the first line, and the rest by the shell it names.
func lintScript(ctx context.Context, body []byte) []instance.Problem {
	line, _, _ := bytes.Cut(body, []byte("\n"))
	command, ok := bytes.CutPrefix(line, []byte("#!"))
	words := strings.Fields(string(command))
	if !ok || len(words) == 0 {
		return []instance.Problem{{Line: 1, Message: `no "#!" line: the kernel cannot tell how to run it`}}
	}
	if strings.HasSuffix(string(line), "\r") {
		return []instance.Problem{{Line: 1, Message: `the first line ends in \r, which becomes part of the interpreter's name`}}
	}
	interpreter := words[0]
	if strings.HasSuffix(interpreter, "/env") && len(words) > 1 {
		interpreter = words[1]
	}
	name := interpreter[strings.LastIndexByte(interpreter, '/')+1:]
	if name != "sh" && name != "bash" && name != "dash" {
		return nil
	}
	shell, err := exec.LookPath(name)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, syntaxTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, shell, "-n")
	cmd.Stdin = bytes.NewReader(body)
	if out, err := cmd.CombinedOutput(); err != nil {
		said, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return []instance.Problem{{Message: fmt.Sprintf("%s -n: %s", name, said)}}
	}
	return nil
}
