package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

var program = &debug.BuildInfo{
	GoVersion: "go1.26.1",
	Deps: []*debug.Module{
		{Path: "example.org/a", Version: "v1.2.0"},
		{Path: "example.org/b", Version: "v0.1.0", Replace: &debug.Module{Path: "example.org/c", Version: "v0.3.0"}},
	},
	Settings: []debug.BuildSetting{{Key: "GOOS", Value: "linux"}, {Key: "GOARCH", Value: "arm64"}},
}

const sbom = `{"bomFormat": "CycloneDX",
	"metadata": {"timestamp": "2026-01-01T00:00:00Z", "component": {"name": "p", "purl": "pkg:golang/p@1?type=module&goos=linux&goarch=arm64"},
		"tools": [{"name": "maker", "hashes": [{"alg": "MD5", "content": "00"}]}]},
	"components": [
	{"name": "std", "version": "go1.26.1", "purl": "pkg:golang/std@go1.26.1?type=module&goos=linux&goarch=arm64"},
	{"name": "example.org/a", "version": "v1.2.0", "purl": "pkg:golang/example.org/a@v1.2.0?type=module&goos=linux&goarch=arm64"},
	{"name": "example.org/c", "version": "v0.3.0", "purl": "pkg:golang/example.org/c@v0.3.0?type=module&goos=linux&goarch=arm64"}
]}`

func TestCompare(t *testing.T) {
	for _, tt := range []struct{ old, new, want string }{
		{"", "", ""},
		{`"version": "v1.2.0"`, `"version": "v1.2.1"`, `example.org/a v1.2.0 is named as "v1.2.1"`},
		{`"name": "example.org/c"`, `"name": "example.org/b"`, `example.org/c v0.3.0 is named as ""`},
		{`"version": "go1.26.1"`, `"version": "go1.26.0"`, `std 1.26.1 is named as "1.26.0"`},
		{`"components": [`, `"components": [{"name": "example.org/d", "version": "v1.0.0"},`, "example.org/d v1.0.0 is not in the program"},
		{"a@v1.2.0?type=module&goos=linux&goarch=arm64", "a@v1.2.0?type=module&goos=linux&goarch=amd64", "example.org/a is said to be for linux/amd64, the program is for linux/arm64"},
		{"p@1?type=module&goos=linux&goarch=arm64", "p@1?type=module&goos=linux&goarch=amd64", "p is said to be for linux/amd64"},
		{`"CycloneDX"`, `"SPDX"`, "not CycloneDX"},
	} {
		err := compare(program, decode(t, strings.Replace(sbom, tt.old, tt.new, 1)))
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", tt.new, err, tt.want)
		}
	}
}

// What differs from run to run is gone, the rest stays.
func TestRun(t *testing.T) {
	bom := decode(t, sbom)
	settle(bom)
	data, err := json.Marshal(bom)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{"timestamp": false, "MD5": false, "maker": true, "example.org/c": true} {
		if strings.Contains(string(data), text) != want {
			t.Errorf("%s in the SBOM: want %v: %s", text, want, data)
		}
	}
	file := filepath.Join(t.TempDir(), "sbom.json")
	if err := os.WriteFile(file, []byte(sbom), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(os.Args[0], file); err == nil || !strings.Contains(err.Error(), "does not fit") {
		t.Errorf("the SBOM of another program is taken: %v", err)
	}
}

func decode(t *testing.T, text string) map[string]any {
	t.Helper()
	var bom map[string]any
	if err := json.Unmarshal([]byte(text), &bom); err != nil {
		t.Fatal(err)
	}
	return bom
}
