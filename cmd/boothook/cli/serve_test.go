package cli

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
