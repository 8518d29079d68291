package cli

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"boothook/netboot/volume"
)

// TestServe runs the service as a user would and asks it.
func TestServe(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte("ssh-rsa AAAA one\nssh-rsa BBBB two\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, stdout := io.Pipe()
	var log bytes.Buffer
	done := make(chan int, 1)
	go func() {
		tool := New("test")
		tool.SetIn(strings.NewReader("#!/bin/sh\n"))
		tool.SetOut(stdout)
		tool.SetErr(&log)
		done <- Main(ctx, tool, []string{"serve", "--cloud", "openstack", "--instance-id", "u-1", "--user-data", "-",
			"--key", keys, "--key", "ssh-rsa CCCC three"})
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	base, ok := strings.CutPrefix(strings.TrimSpace(line), "openstack at ")
	if !ok {
		t.Fatalf("it said %q", line)
	}
	for path, want := range map[string]string{"user_data": "#!/bin/sh\n", "meta_data.json": "ssh-rsa CCCC three"} {
		resp, err := http.Get(base + "openstack/latest/" + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%s: got %q, %v, want %q", path, body, err, want)
		}
	}
	cancel()
	if status := <-done; status != 0 {
		t.Errorf("after an interrupt: exit status %d", status)
	}
	if !strings.Contains(log.String(), "GET /openstack/latest/user_data: 200, 10 bytes") {
		t.Errorf("the log: %s", &log)
	}
}

// TestServeVolume writes a cloud's volume and ends.
func TestServeVolume(t *testing.T) {
	if _, err := exec.LookPath("mcopy"); err != nil {
		t.Skip(err)
	}
	path := filepath.Join(t.TempDir(), "seed.img")
	if stdout, stderr, status := runTool(t, "#!/bin/sh\n", "serve", "--cloud", "nocloud", "--volume", path, "--user-data", "-"); status != 0 || stdout+stderr != "" {
		t.Fatalf("exit status %d: %s%s", status, stdout, stderr)
	}
	image, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	v, err := volume.Open(image)
	if err != nil || v.Label != "cidata" {
		t.Fatalf("got %+v, %v", v, err)
	}
	if body, err := fs.ReadFile(v.FS, "user-data"); err != nil || string(body) != "#!/bin/sh\n" {
		t.Errorf("user-data %q, %v", body, err)
	}
	if _, stderr, status := runTool(t, "", "serve", "--cloud", "opennebula"); status != 2 || !strings.Contains(stderr, "--volume") {
		t.Errorf("a cloud without service: exit status %d: %s", status, stderr)
	}
	if _, stderr, status := runTool(t, "", "serve", "--cloud", "ec2", "--volume", path); status != 2 || !strings.Contains(stderr, "nocloud") {
		t.Errorf("a cloud without volume: exit status %d: %s", status, stderr)
	}
}

func TestServeUsage(t *testing.T) {
	for _, args := range [][]string{{"--cloud", "nimbus"}, {"extra"}, {"--launch-index", "x"}, {"--key", "/nonexistent"}} {
		if _, stderr, status := runTool(t, "", append([]string{"serve"}, args...)...); status != 2 {
			t.Errorf("%q: exit status %d, want 2: %s", args, status, stderr)
		}
	}
	if _, stderr, status := runTool(t, "", "serve", "--user-data", "/nonexistent"); status != 1 {
		t.Errorf("a missing file: exit status %d, want 1: %s", status, stderr)
	}
}
