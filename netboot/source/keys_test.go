package source

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// keysRead collects the keys that the sources' files read of documents: what
// stands between quotes in a call of a reading method or in an index.
func keysRead(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	add := func(exprs ...ast.Expr) {
		for _, e := range exprs {
			ast.Inspect(e, func(n ast.Node) bool {
				if _, inner := n.(*ast.CallExpr); inner {
					return false
				}
				if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					if key, _ := strconv.Unquote(lit.Value); key != "" {
						keys[key] = true
					}
				}
				return true
			})
		}
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if s, ok := n.Fun.(*ast.SelectorExpr); ok && slices.Contains([]string{"str", "text", "object", "items", "bytes", "body"}, s.Sel.Name) {
					add(n.Args...)
				}
			case *ast.KeyValueExpr:
				if id, ok := n.Key.(*ast.Ident); ok && slices.Contains([]string{"hostname", "keys", "user", "vendor", "secret"}, id.Name) {
					add(n.Value)
				}
			}
			return true
		})
	}
	// These are of network-config that a source has just written itself, and of a
	// list that is read as a mapping's only key.
	for _, own := range []string{"to", "via", "list"} {
		delete(keys, own)
	}
	return keys
}

// TestKeysAreDocumented holds docs/sources.md and the parsers together: each key
// that is read stands in the table, and each key that the table says is read is.
func TestKeysAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/sources.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(page), "## What becomes of each key\n")
	if !ok {
		t.Fatal("docs/sources.md has no table of keys")
	}
	table, unread, ok := strings.Cut(table, "### Not read\n")
	if !ok {
		t.Fatal("docs/sources.md does not say what is not read")
	}
	unread, _, _ = strings.Cut(unread, "\n## ")
	read, quoted := keysRead(t), regexp.MustCompile("`([^`]+)`")
	said := map[string]bool{}
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || strings.HasPrefix(cells[1], "-") {
			continue
		}
		if name := strings.Trim(cells[1], " `"); name != "source" {
			for name := range strings.SplitSeq(name, "`, `") {
				if _, err := Find(name); err != nil {
					t.Errorf("the table has a row for %s", name)
				}
			}
		}
		for _, m := range quoted.FindAllStringSubmatch(cells[2], -1) {
			said[m[1]] = true
		}
	}
	for key := range read {
		if !said[key] {
			t.Errorf("%s is read, but not in the table of docs/sources.md", key)
		}
	}
	code := ""
	files, _ := filepath.Glob("*.go")
	for _, name := range files {
		if text, err := os.ReadFile(name); err == nil && !strings.HasSuffix(name, "_test.go") {
			code += string(text)
		}
	}
	for key := range said {
		if !strings.Contains(code, strings.TrimSuffix(key, "*")) {
			t.Errorf("the table says that %s is read", key)
		}
	}
	for line := range strings.Lines(unread) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		for _, m := range quoted.FindAllStringSubmatch(cells[2], -1) {
			if read[m[1]] {
				t.Errorf("%s is said not to be read", m[1])
			}
		}
	}
	for _, s := range Table() {
		if !strings.Contains(table, "`"+s.Name+"`") {
			t.Errorf("the table has no row for %s", s.Name)
		}
	}
}
