package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPartsTable(t *testing.T) {
	out, _, status := runTool(t, "#cloud-config-archive\n- \"#!/bin/sh\"\n- filename: web.cfg\n  launch-index: 3\n  content: \"#cloud-config\"\n- type: x\n  content: y\n", "parts", "-")
	want := `#  NAME        TYPE                SIZE  LAUNCH  ORIGIN
1  "part-001"  text/x-shellscript  9     any     user-data > 1
2  "web.cfg"   text/cloud-config   13    3       user-data > 2
3  "part-003"  x                   1     any     user-data > 3
user-data > 3: part-003:1: archive: type "x" on line 6 is no media type: it has no "/"
`
	if diff := cmp.Diff(want, out); diff != "" || status != 0 {
		t.Errorf("status %d; want (-), got (+):\n%s", status, diff)
	}
}

func TestPartsJSON(t *testing.T) {
	doc := filepath.Join(t.TempDir(), "user-data")
	message := "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=B\n\n--B\nLaunch-Index: 2\nContent-Type: text/plain\n\n#!/bin/sh\n\n--B\nContent-Type: text/html\n\n<p>\n--B--\n"
	if err := os.WriteFile(doc, []byte(message), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _, status := runTool(t, "", "parts", "--json", doc)
	if status != 0 {
		t.Fatalf("status %d", status)
	}
	var got any
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"parts": []any{
			map[string]any{
				"index": 1.0, "name": "part-001", "type": "text/x-shellscript", "declared_type": "text/plain",
				"origin": "user-data > 1", "launch_index": 2.0, "size": 10.0,
				"sha256": "a8076d3d28d21e02012b20eaf7dbf75409a6277134439025f282e368e3305abf", "error": nil,
			},
			map[string]any{
				"index": 2.0, "name": "part-002", "type": "text/html", "declared_type": "text/html",
				"origin": "user-data > 2", "launch_index": nil, "size": 3.0,
				"sha256": "33f2799467177287a29260780a107ac98ea63dd6165f67fcc0d74767d0a82090",
				"error":  "nothing handles this part: unknown type text/html",
			},
		},
		"errors": []any{"user-data > 2: part-002:1: nothing handles this part: unknown type text/html"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

func TestPartsEmptyLists(t *testing.T) {
	out, _, status := runTool(t, "#include\n", "parts", "--json", "-")
	if want := "{\n  \"parts\": [],\n  \"errors\": []\n}\n"; out != want || status != 1 {
		t.Errorf("status %d, printed %s", status, out)
	}
}

func TestPartsFetch(t *testing.T) {
	file := filepath.Join(t.TempDir(), "local")
	if err := os.WriteFile(file, []byte("#cloud-config\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	mux.HandleFunc("/one", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "#include\n%s/two?secret=1\n", server.URL)
	})
	mux.HandleFunc("/two", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "#!/bin/sh\n") })
	doc := fmt.Sprintf("#include\n%s/one\n%s/gone\nfile://%s\n%s\ngopher://x/\n", server.URL, server.URL, file, file)

	out, _, status := runTool(t, doc, "parts", "-")
	if status != 0 || strings.Count(out, "was not fetched") != 5 {
		t.Errorf("without --fetch: status %d, printed\n%s", status, out)
	}
	out, _, status = runTool(t, doc, "parts", "--fetch", "-")
	for _, want := range []string{"part-001\"  text/x-shellscript", "part-002\"  text/cloud-config", "part-003\"  text/cloud-config", "404 Not Found", "gopher://"} {
		if !strings.Contains(out, want) {
			t.Errorf("with --fetch %q is missing:\n%s", want, out)
		}
	}
	if status != 0 || strings.Contains(out, "secret") {
		t.Errorf("with --fetch: status %d, printed\n%s", status, out)
	}
}

func TestPartsStatus(t *testing.T) {
	for _, c := range []struct {
		name, doc string
		args      []string
		status    int
	}{
		{"good", "#!/bin/sh\n", []string{"-"}, 0},
		{"empty", "", []string{"-"}, 0},
		{"nothing usable", "hello\n", []string{"-"}, 1},
		{"no such file", "", []string{"/no/such/file"}, 1},
		{"no argument", "", nil, 2},
		{"two arguments", "", []string{"-", "-"}, 2},
		{"unknown option", "", []string{"--frobnicate", "-"}, 2},
		{"help", "", []string{"--help"}, 0},
	} {
		if _, stderr, status := runTool(t, c.doc, append([]string{"parts"}, c.args...)...); status != c.status {
			t.Errorf("%s: status %d, want %d: %s", c.name, status, c.status, stderr)
		}
	}
}
