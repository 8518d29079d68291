package lint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"boothook/injector/hooks"
	"boothook/injector/jobs/upstart"
	"boothook/injector/userdata"
	"boothook/netboot/instance"
)

// syntaxTime bounds the syntax check of one script.
const syntaxTime = 5 * time.Second

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
