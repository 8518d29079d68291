package agent

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestFilesReferOneWay holds that the files of this package can be read from
// the top down: where a file uses what another declares, that one uses nothing
// of the first, not even by way of others. Fields do not count: they belong to
// their type.
func TestFilesReferOneWay(t *testing.T) {
	uses := references(t, ".")
	count, back := 0, 0
	for from := range uses {
		for to := range uses[from] {
			count++
			if reaches(uses, to, from) {
				back++
				t.Errorf("%s uses %s of %s, which leads back to it", from, uses[from][to], to)
			}
		}
	}
	t.Logf("%d references between files, %d of them back", count, back)
	if count == 0 {
		t.Error("no references were found")
	}
}

// The test itself tells a cycle from none.
func TestReaches(t *testing.T) {
	uses := map[string]map[string]string{"a": {"b": "x"}, "b": {"c": "x"}, "c": {"d": "x"}, "d": {"b": "x"}}
	for pair, want := range map[[2]string]bool{{"a", "d"}: true, {"c", "b"}: true, {"b", "b"}: true, {"b", "a"}: false, {"a", "a"}: false} {
		if got := reaches(uses, pair[0], pair[1]); got != want {
			t.Errorf("%v: %v", pair, got)
		}
	}
}

// reaches says that uses lead from a file to another one.
func reaches(uses map[string]map[string]string, from, to string) bool {
	seen := map[string]bool{}
	next := slices.Collect(maps.Keys(uses[from]))
	for len(next) > 0 {
		file := next[0]
		next = next[1:]
		if file == to {
			return true
		}
		if !seen[file] {
			seen[file] = true
			next = slices.AppendSeq(next, maps.Keys(uses[file]))
		}
	}
	return false
}

// references gives, for each file of a package, the files that declare what it
// uses, and one example.
func references(t *testing.T, dir string) map[string]map[string]string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	// What is imported is not looked at, so expressions of its types are errors.
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	conf := types.Config{Importer: blind{}, Error: func(error) {}}
	pkg, _ := conf.Check("story", fset, files, info)
	uses := map[string]map[string]string{}
	for ident, object := range info.Uses {
		if v, ok := object.(*types.Var); object.Pkg() != pkg || ok && v.IsField() {
			continue
		}
		from, to := filepath.Base(fset.Position(ident.Pos()).Filename), filepath.Base(fset.Position(object.Pos()).Filename)
		if from == to {
			continue
		}
		if uses[from] == nil {
			uses[from] = map[string]string{}
		}
		uses[from][to] = ident.Name
	}
	return uses
}

// blind gives an empty package for every import.
type blind struct{}

func (blind) Import(name string) (*types.Package, error) {
	p := types.NewPackage(name, path.Base(name))
	p.MarkComplete()
	return p, nil
}
