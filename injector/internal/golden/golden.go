// Package golden compares what tests produce with files in testdata that
// somebody has read and found right. "go test -update" writes those files
// anew; the difference is then to be read in the commit.
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// update is the flag of every test that imports this package.
var update = flag.Bool("update", false, "write the golden files anew")

// File compares got with a file.
func File(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", name, diff)
	}
}

// Cases runs a subtest for each of the txtar files that pattern matches, of
// which there must be some. Such a file holds what goes in and what comes out:
// produce is given all of it, and returns what has come out, which is compared
// with the files of the same names. It must not change what it is given.
func Cases(t *testing.T, pattern string, produce func(t *testing.T, files []txtar.File) []txtar.File) {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no cases in %s: %v", pattern, err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			archive.Files = replace(archive.Files, produce(t, archive.Files))
			File(t, name, txtar.Format(archive))
		})
	}
}

// replace gives the files with those of out in the places of their namesakes,
// or at the end.
func replace(files, out []txtar.File) []txtar.File {
	files = slices.Clone(files)
	for _, f := range out {
		if i := slices.IndexFunc(files, func(in txtar.File) bool { return in.Name == f.Name }); i >= 0 {
			files[i] = f
		} else {
			files = append(files, f)
		}
	}
	return files
}
