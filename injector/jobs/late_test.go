package jobs

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A lateRoot is a directory in the place of /, in which the late script runs
// with its paths moved there.
type lateRoot struct {
	dir    string
	script []byte
}

func newLateRoot(t *testing.T) lateRoot {
	r := lateRoot{dir: t.TempDir()}
	r.script = bytes.ReplaceAll(lateScript, []byte("=/var/"), []byte("="+r.dir+"/var/"))
	r.script = bytes.ReplaceAll(r.script, []byte("=/run/"), []byte("="+r.dir+"/run/"))
	for _, dir := range []string{"var/log", "var/lib/cloud/instances/i-1/scripts/vendor", "var/lib/cloud/instances/i-1/sem",
		"var/lib/cloud/scripts/per-boot", "var/lib/cloud/scripts/per-once", "var/lib/cloud/scripts/per-instance"} {
		if err := os.MkdirAll(filepath.Join(r.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("instances/i-1", filepath.Join(r.dir, "var/lib/cloud/instance")); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r lateRoot) add(t *testing.T, name, body string, mode os.FileMode) {
	if err := os.WriteFile(filepath.Join(r.dir, "var/lib/cloud", name), []byte(body), mode); err != nil {
		t.Fatal(err)
	}
}

// run starts the script as a boot does and returns its output, the lines it
// left in the report's file as "name exit", and its exit status.
func (r lateRoot) run(t *testing.T) (output string, late []string, status int) {
	r.reboot(t)
	cmd := exec.Command("/bin/sh")
	cmd.Stdin = bytes.NewReader(r.script)
	// A file and not a pipe: what a script leaves running holds it open, and
	// neither the late script nor this test may wait for that.
	file, err := os.Create(filepath.Join(r.dir, "output"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd.Stdout, cmd.Stderr = file, file
	if cmd.Run() != nil {
		status = cmd.ProcessState.ExitCode()
	}
	out, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(r.dir, "run/boothook/late"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		var entry struct {
			At   int64
			Name string
			Exit int
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.At == 0 {
			t.Fatalf("line %q: %v", line, err)
		}
		late = append(late, entry.Name+" "+string(rune('0'+entry.Exit)))
	}
	return string(out), late, status
}

// reboot leaves nothing in /run.
func (r lateRoot) reboot(t *testing.T) {
	if err := os.RemoveAll(filepath.Join(r.dir, "run")); err != nil {
		t.Fatal(err)
	}
}

// checkStatus compares what cloud-init's status command would read.
func (r lateRoot) checkStatus(t *testing.T, problem string) {
	t.Helper()
	want := []string{}
	if problem != "" {
		want = append(want, problem)
	}
	for _, name := range []string{"status.json", "result.json"} {
		data, err := os.ReadFile(filepath.Join(r.dir, "run/cloud-init", name))
		var got struct {
			V1 struct {
				Datasource string
				Errors     []string
				Final      struct {
					Errors          []string
					Start, Finished int64
				} `json:"modules-final"`
			}
		}
		if err = errors.Join(err, json.Unmarshal(data, &got)); err != nil {
			t.Fatalf("%s: %v: %q", name, err, data)
		}
		if v := got.V1; v.Datasource != "DataSourceNoCloud [seed=/dev/vdb]" || !slices.Equal(v.Errors, want) || !slices.Equal(v.Final.Errors, want) || v.Final.Finished == 0 {
			t.Errorf("%s: %s, want errors %q", name, data, want)
		}
	}
}

// kill ends the process whose id a script left in the file "pid".
func (r lateRoot) kill(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(r.dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Error("the script's background process is gone:", err)
	}
}

// waitForLog returns the log once it holds the words: tee may come later
// than the script's end.
func (r lateRoot) waitForLog(t *testing.T, words string) string {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		log, err := os.ReadFile(filepath.Join(r.dir, "var/log/cloud-init-output.log"))
		if strings.Contains(string(log), words) {
			return string(log)
		}
		if time.Now().After(deadline) {
			t.Fatalf("log %q, %v", log, err)
		}
	}
}

func TestLateScript(t *testing.T) {
	r := newLateRoot(t)
	r.add(t, "instance/datasource", "DataSourceNoCloud [seed=\"/dev/vdb\"]\n", 0o644)
	r.add(t, "instance/scripts/part-002", "#!/bin/sh\necho two; pwd\n", 0o700)
	r.add(t, "instance/scripts/part-001", "#!/bin/sh\necho one >&2\nexit 3\n", 0o700)
	r.add(t, "instance/scripts/runcmd", "#!/bin/sh\necho run\nsleep 60 &\necho $! >"+r.dir+"/pid\n", 0o700)
	r.add(t, "instance/scripts/not-executable", "#!/bin/sh\necho never\n", 0o600)
	r.add(t, "instance/scripts/vendor/v", "#!/bin/sh\necho vendor $PREFIXED\n", 0o700)
	r.add(t, "instance/scripts/.vendor-prefix", "'env' 'PREFIXED=a b'", 0o600)
	r.add(t, "scripts/per-boot/a \"name\"", "#!/bin/sh\necho boot\n", 0o700)
	r.add(t, "scripts/per-once/o", "#!/bin/sh\necho once\n", 0o700)

	start := time.Now()
	out, late, status := r.run(t)
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("waited %v for what a script left running", took)
	}
	r.kill(t)
	if status != 1 {
		t.Errorf("status %d, want 1: %s", status, out)
	}
	want := []string{"vendor/v 0", "per-once/o 0", "per-boot/a name 0", "scripts/part-001 3", "scripts/part-002 0", "scripts/runcmd 0", "finished 1"}
	if diff := cmp.Diff(want, late); diff != "" {
		t.Errorf("first boot: %s\n%s", diff, out)
	}
	log := r.waitForLog(t, "late scripts failed")
	if !strings.Contains(log, "vendor a b\nonce\nboot\none\n") || !strings.Contains(log, "two\n/\nrun\n") {
		t.Errorf("log %q", log)
	}
	if info, err := os.Stat(filepath.Join(r.dir, "var/log/cloud-init-output.log")); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("log's mode: %v, %v", info, err)
	}
	finished := filepath.Join(r.dir, "var/lib/cloud/instance/boot-finished")
	if _, err := os.Stat(finished); err != nil {
		t.Error(err)
	}
	r.checkStatus(t, "1 late scripts failed")

	r.reboot(t)
	if _, err := os.Stat(finished); err == nil {
		t.Error("the second boot begins as finished")
	}
	_, late, status = r.run(t)
	r.checkStatus(t, "")
	if diff := cmp.Diff([]string{"per-boot/a name 0", "finished 0"}, late); diff != "" || status != 0 {
		t.Errorf("second boot: status %d %s", status, diff)
	}
}
