package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"boothook/initramfs/archive"
	"boothook/initramfs/bake"
)

// handmade writes an initrd whose init is a shell script, and builds a small
// static program that stands for the agent.
func handmade(t *testing.T) (initrd, agent string) {
	t.Helper()
	var out bytes.Buffer
	init := "#!/bin/sh\nmount -t proc proc /proc\nmount /dev/vda /r\nexec switch_root /r /sbin/init\n"
	if err := archive.Write(&out, []archive.File{{Name: "/init", Mode: archive.TypeRegular | 0o755, Data: []byte(init)}}); err != nil {
		t.Fatal(err)
	}
	initrd = filepath.Join(t.TempDir(), "initrd.img")
	if err := os.WriteFile(initrd, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	agent = filepath.Join(filepath.Dir(initrd), "boothook-agent")
	build := exec.Command("go", "build", "-o", agent, "../../../initramfs/bake/testdata/witness")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return initrd, agent
}

func runBake(t *testing.T, want int, args ...string) (stdout, stderr string) {
	t.Helper()
	stdout, stderr, status := runTool(t, "", append([]string{"bake"}, args...)...)
	if status != want {
		t.Fatalf("bake %q: exit status %d, want %d\n%s%s", args, status, want, stdout, stderr)
	}
	return stdout, stderr
}

func TestBakeCommand(t *testing.T) {
	initrd, agent := handmade(t)
	baked, undone := initrd+".baked", initrd+".undone"

	out, _ := runBake(t, 0, "--initrd", initrd, "--out", baked, "--agent", agent, "--cmdline", "boothook.source=ec2", "--compress", "zstd")
	for _, want := range []string{"made by a shell script", "segment 0 at byte 0: none", ", zstd:", "/etc/boothook/cmdline", "The next regeneration"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in what it says:\n%s", want, out)
		}
	}
	out, _ = runBake(t, 0, "--initrd", baked, "--check")
	if !strings.Contains(out, "boothook test is baked in") || !strings.Contains(out, "early and late") {
		t.Errorf("check says:\n%s", out)
	}
	_, hint := runBake(t, 1, "--initrd", baked, "--out", undone, "--agent", agent)
	if !strings.Contains(hint, "--replace") {
		t.Errorf("no hint: %s", hint)
	}
	out, _ = runBake(t, 0, "--initrd", baked, "--out", undone, "--agent", agent, "--replace", "--json", "--extra", "none")
	var rep bake.Report
	if err := json.Unmarshal([]byte(out), &rep); err != nil || !rep.Replaced || rep.Compression != archive.None {
		t.Errorf("%v: %s", err, out)
	}
	runBake(t, 0, "--initrd", baked, "--undo", "--out", undone)
	a, err := os.ReadFile(initrd)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(undone); err != nil || !bytes.Equal(a, b) {
		t.Errorf("undone differs: %v", err)
	}
	if out, _ := runBake(t, 0, "--initrd", undone, "--check"); !strings.Contains(out, "not baked in") {
		t.Errorf("check says:\n%s", out)
	}
}

func TestBakeUsage(t *testing.T) {
	initrd, agent := handmade(t)
	for _, args := range [][]string{
		{},
		{"--initrd", initrd},
		{"--initrd", initrd, "--out", "x", "extra"},
		{"--initrd", initrd, "--out", "x", "--check", "--undo"},
		{"--initrd", initrd, "--out", "x", "--compress", "lzo"},
		{"--initrd", initrd, "--out", "x", "--module-names", "a"},
		{"--no-such-flag"},
	} {
		runBake(t, 2, args...)
	}
	runBake(t, 1, "--initrd", initrd, "--out", initrd, "--agent", agent)
	runBake(t, 1, "--initrd", initrd, "--out", initrd+".x", "--agent", "/nonexistent")
	if help, _ := runBake(t, 0, "--help"); !strings.Contains(help, "Examples:") {
		t.Errorf("help:\n%s", help)
	}
}
