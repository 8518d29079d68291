//go:build boot

package jobs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"boothook/injector/plan"
	"boothook/injector/userdata"
)

// TestSystemdAccepts hands every translated unit, and the late one, to the
// systemd of this machine: systemd-analyze verifies each, and the manager
// itself, in its test mode, plans a boot with all of them and must find no
// ordering cycle.
func TestSystemdAccepts(t *testing.T) {
	files, err := filepath.Glob("testdata/translate/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	dir := t.TempDir()
	for parent := dir; parent != "/tmp" && parent != "/"; parent = filepath.Dir(parent) {
		if err := os.Chmod(parent, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var parts []userdata.Part
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		parts = append(parts, userdata.Part{Name: name, Type: userdata.TypeUpstartJob, Body: archive.Files[0].Data})
	}
	var units []string
	for _, s := range planOf(plan.Systemd, parts...).Steps {
		rel, ok := strings.CutPrefix(s.Path, systemdUnits+"/")
		if !ok {
			continue
		}
		target := filepath.Join(dir, rel)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			t.Fatal(err)
		}
		if s.Kind == plan.Link {
			err = os.Symlink(filepath.Join(dir, filepath.Base(s.Target)), target)
		} else {
			err = os.WriteFile(target, s.Body, 0o644)
			units = append(units, target)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(units) < 10 {
		t.Fatalf("only %d units", len(units))
	}
	env := []string{"SYSTEMD_UNIT_PATH=" + dir + ":/lib/systemd/system", "PATH=" + os.Getenv("PATH"), "SYSTEMD_LOG_LEVEL=info"}
	for _, unit := range units {
		cmd := exec.Command("systemd-analyze", "verify", "--man=no", unit)
		cmd.Env = env
		out, _ := cmd.CombinedOutput()
		for line := range strings.Lines(string(out)) {
			// Programs that only the job's own root has are no fault of the unit.
			if strings.Contains(line, filepath.Base(unit)) && !strings.Contains(line, "is not executable") {
				t.Errorf("%s: %s", filepath.Base(unit), line)
			}
		}
	}
	cmd := exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/lib/systemd/systemd",
		"--test", "--system", "--unit=graphical.target", "--log-target=console")
	cmd.Env, cmd.Dir = env, "/"
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Unit boothook-final.service") {
		t.Fatalf("systemd --test: %v: %.2000s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "ordering cycle") {
			t.Error(line)
		}
	}
}
