package jobs

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"boothook/injector/internal/golden"
	"boothook/injector/plan"
	"boothook/injector/userdata"
)

// Each testdata/translate/*.txtar is one upstart job, "job", and for each
// init what becomes of it: files, links and problems.
func TestTranslate(t *testing.T) {
	golden.Cases(t, "testdata/translate/*.txtar", func(t *testing.T, files []txtar.File) []txtar.File {
		if files[0].Name != "job" || len(files) > 1+len(inits()) {
			t.Fatal("a case is a job and its translations")
		}
		var out []txtar.File
		for _, init := range inits() {
			out = append(out, txtar.File{Name: string(init), Data: translation(init, files[0].Data)})
		}
		return out
	})
}

// inits are those that jobs are translated for.
func inits() []plan.Init { return []plan.Init{plan.Systemd, plan.OpenRC, plan.Sysvinit, plan.Runit} }

// Every script that is written, for whatever init, is one that sh can read.
func TestScriptsAreShell(t *testing.T) {
	files, err := filepath.Glob("testdata/translate/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	scripts := 0
	for _, init := range inits() {
		var parts []userdata.Part
		for _, file := range files {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, userdata.Part{Name: filepath.Base(file), Type: userdata.TypeUpstartJob, Body: archive.Files[0].Data})
		}
		for _, s := range planOf(init, parts...).Steps {
			if s.Kind != plan.File || s.Mode&0o100 == 0 {
				continue
			}
			scripts++
			cmd := exec.Command("/bin/sh", "-n")
			cmd.Stdin = bytes.NewReader(s.Body)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s %s: %v: %s\n%s", init, s.Path, err, out, s.Body)
			}
		}
	}
	if scripts < 50 {
		t.Errorf("only %d scripts", scripts)
	}
}

// translation describes what a job comes to, the late job left out.
func translation(init plan.Init, job []byte) []byte {
	r := planOf(init, userdata.Part{Name: "demo", Type: userdata.TypeUpstartJob, Body: job})
	var out bytes.Buffer
	for _, p := range r.Problems {
		fmt.Fprintf(&out, "problem: %s\n", p)
	}
	for _, s := range r.Steps {
		switch {
		case s.Why.Part == "boothook":
		case s.Kind == plan.Link:
			fmt.Fprintf(&out, "link %s -> %s\n", s.Path, s.Target)
		case strings.HasPrefix(s.Path, instanceDir):
			fmt.Fprintf(&out, "kept %s\n", s.Path)
		default:
			fmt.Fprintf(&out, "file %s %04o\n\t%s\n", s.Path, s.Mode, strings.ReplaceAll(strings.TrimSuffix(string(s.Body), "\n"), "\n", "\n\t"))
		}
	}
	return out.Bytes()
}
