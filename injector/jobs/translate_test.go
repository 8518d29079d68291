package jobs

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"boothook/injector/plan"
	"boothook/injector/userdata"
)

var update = flag.Bool("update", false, "rewrite the golden translations")

// Each testdata/translate/*.txtar is one upstart job, "job", and for each
// init what becomes of it: files, links and problems.
func TestTranslate(t *testing.T) {
	files, err := filepath.Glob("testdata/translate/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == "job" })
			if i < 0 {
				t.Fatal("the case has no job")
			}
			got := []txtar.File{archive.Files[i]}
			for _, init := range []plan.Init{plan.Systemd, plan.OpenRC, plan.Sysvinit, plan.Runit} {
				got = append(got, txtar.File{Name: string(init), Data: translation(init, archive.Files[i].Data)})
			}
			if *update {
				archive.Files = got
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if diff := cmp.Diff(string(txtar.Format(archive)), string(txtar.Format(&txtar.Archive{Comment: archive.Comment, Files: got}))); diff != "" {
				t.Errorf("differs (-want +got):\n%s", diff)
			}
		})
	}
}

// Every script that is written, for whatever init, is one that sh can read.
func TestScriptsAreShell(t *testing.T) {
	files, err := filepath.Glob("testdata/translate/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	scripts := 0
	for _, init := range []plan.Init{plan.Systemd, plan.OpenRC, plan.Sysvinit, plan.Runit} {
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
