package yaml_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"boothook/netboot/yaml"
	"boothook/netboot/yaml/yamltest"
	"boothook/scripts/cputime"
)

// testdata/pyyaml.jsonl holds the documents of testdata/documents and what
// PyYAML 6.0.3 made of each: scripts/conformance/yaml wrote it down.
func TestTreesAsPyYAML(t *testing.T) {
	data, err := os.ReadFile("testdata/pyyaml.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range bytes.Lines(data) {
		var pair [2]json.RawMessage
		var document string
		if err := errors.Join(json.Unmarshal(line, &pair), json.Unmarshal(pair[0], &document)); err != nil {
			t.Fatal(err)
		}
		want := string(pair[1])
		root, err := yaml.Parse([]byte(document))
		if err != nil {
			if want != `"refused"` {
				t.Errorf("%q: %v, want %s", document, err, want)
			}
			continue
		}
		got, err := yamltest.Tree(root)
		if err != nil || got != want {
			t.Errorf("%q: (-PyYAML +ours)\n-%s\n+%s %v", document, want, got, err)
		}
		n++
	}
	if n < 180 {
		t.Errorf("only %d documents read", n)
	}
}

func TestRecordIsComplete(t *testing.T) {
	documents, err := yamltest.Load("testdata/documents")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("testdata/pyyaml.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	if lines := bytes.Count(data, []byte("\n")); lines != len(documents) {
		t.Errorf("%d documents, and what PyYAML says of %d: run scripts/conformance/yaml with --record", len(documents), lines)
	}
}

// An error stands where the cause is, which is not always where it shows.
func TestErrors(t *testing.T) {
	for _, c := range []struct{ document, want string }{
		{"a: 'b\nc: d\n", "line 1, column 4: the quotes that open here are not closed"},
		{"a: b\nc: [d,\n  e\n", "line 2, column 4: the bracket that opens here is not closed"},
		{"a: [b,\n  {c: d]\n", "line 2, column 8: a comma should stand here, or the bracket that closes the one of line 2"},
		{"a: [b\nc: d\n", "line 2, column 2: a comma should stand here, or the bracket that closes the one of line 1"},
		{"a: b\nc\nd: e\n", "line 2, column 1: a ':' is missing after what should be a key"},
		{"a: b: c\n", "line 1, column 5: a ':' that belongs to no key; put quotes around the text"},
		{"a: b\n\tc: d\n", "line 2, column 1: a tab cannot stand here; use blanks"},
		{"é: @x\n", "line 1, column 4: no text can begin with '@'; put quotes around it"},
		{"a: b\n  c: d\n", "line 2, column 4: a ':' that belongs to no key; put quotes around the text"},
		{"a:\n    b: c\n  d: e\n", "line 3, column 3: a key should stand here, as far to the right as the keys above"},
		{"a: - b\n", "line 1, column 4: an entry of a list cannot stand here"},
		{"- a\nb: c\n", "line 2, column 1: an entry of the list should stand here, its - below the others"},
		{"a: *b\n", "line 1, column 4: an alias to an anchor that is not there; if this is a text, put quotes around it"},
		{"a: *.log\n", "line 1, column 5: an anchor's name has letters, digits, - and _ only; if this is a text, put quotes around it"},
		{"&a [*a]\n", "line 1, column 5: an anchor that contains itself"},
		{"- &a b\n- &a c\n", "line 2, column 3: an anchor that is already there"},
		{"a: }\n", "line 1, column 4: a bracket that closes nothing; put quotes around the text"},
		{"a: \"\\q\"\n", "line 1, column 5: no escape begins like this; write \\\\ for a backslash, or use single quotes"},
		{"a: \"\\ud83d\"\n", "line 1, column 9: an escape that is no character"},
		{"a: |3x\n", "line 1, column 6: a block's first line can have an indentation from 1 to 9, + or -, and a comment"},
		{"a: b\n---\nc: d\n", "line 2, column 1: a second document; only one is allowed"},
		{"!e!x a\n", "line 1, column 1: a tag handle without its %TAG directive"},
		{"a: b\r\nc: \x1b\r\n", "line 2, column 4: a control character; it can stand between double quotes, written as an escape"},
		{"é\n b\xff", "line 2, column 3: the text is not UTF-8"},
		{"\xff\xfea\x00", "line 1, column 1: the text is not UTF-8"},
	} {
		_, err := yaml.Parse([]byte(c.document))
		if err == nil || err.Error() != c.want {
			t.Errorf("%q: %v, want %s", c.document, err, c.want)
		}
	}
}

// What stands before a second document can be used.
func TestFirstDocument(t *testing.T) {
	root, err := yaml.Parse([]byte("- a\n---\n- b\n- c\n"))
	if at := (*yaml.Error)(nil); !errors.As(err, &at) || at.Line != 2 || root == nil || len(root.Content) != 1 {
		t.Errorf("%v, %v", root, err)
	}
	if root, err := yaml.Parse([]byte("- a\n- [\n---\n- b\n")); err == nil || root != nil {
		t.Errorf("half a document: %v, %v", root, err)
	}
}

func TestBounds(t *testing.T) {
	for _, c := range []struct {
		name, document string
		read           bool
	}{
		{"deep brackets", strings.Repeat("[", yaml.MaxDepth) + strings.Repeat("]", yaml.MaxDepth), true},
		{"too deep brackets", strings.Repeat("[", yaml.MaxDepth+1) + strings.Repeat("]", yaml.MaxDepth+1), false},
		{"too deep lists", strings.Repeat("- ", yaml.MaxDepth+1), false},
		{"too deep keys", strings.Repeat("? ", yaml.MaxDepth+1), false},
		{"many", strings.Repeat("-\n", yaml.MaxNodes-1), true},
		{"too many", strings.Repeat("-\n", yaml.MaxNodes), false},
		{"tags", handles(64), true},
		{"too many tags", handles(65), false},
		{"long tag", "!" + strings.Repeat("a", 1023) + " b", true},
		{"too long tag", "!" + strings.Repeat("a", 1024) + " b", false},
		{"long", "a: " + strings.Repeat("x", yaml.MaxBytes-3), true},
		{"too long", "a: " + strings.Repeat("x", yaml.MaxBytes-2), false},
	} {
		if _, err := yaml.Parse([]byte(c.document)); (err == nil) != c.read {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// hostile documents would take hours if any part of them were read again for
// each byte.
var hostile = map[string]string{
	"brackets":         strings.Repeat("[", 1<<22),
	"mappings":         strings.Repeat("{a: ", 1<<20),
	"entries":          strings.Repeat("- ", 1<<21),
	"open quote":       "a: \"" + strings.Repeat("x\n\n ", 1<<20),
	"blank lines":      strings.Repeat(" \n", 1<<21),
	"blanks":           strings.Repeat(" ", 1<<22),
	"folded plain":     strings.Repeat("a\n", 1<<21),
	"folded blanks":    "a: " + strings.Repeat("a \n \n", 1<<20),
	"block":            "a: >\n" + strings.Repeat("  a\n\n", 1<<20),
	"block blanks":     "a: |\n" + strings.Repeat("    \n", 1<<20),
	"tag":              "!" + strings.Repeat("a", 1<<22),
	"escaped tag":      "!" + strings.Repeat("%41", 1<<20) + " a",
	"tags":             strings.Repeat("- !a!b c\n", 1<<18),
	"directives":       strings.Repeat("%TAG !a! b\n", 1<<18),
	"many handles":     handles(1 << 18),
	"long handle":      "%TAG !a! " + strings.Repeat("b", 1<<20) + "\n---\n" + strings.Repeat("- !a!b c\n", 1<<16),
	"many directives":  strings.Repeat("%FOO\n", 1<<19),
	"document ends":    strings.Repeat("...\n", 1<<20),
	"first then ends":  "a\n" + strings.Repeat("...\n", 1<<20),
	"anchors":          strings.Repeat("- &a\n", 1<<19),
	"escapes":          "\"" + strings.Repeat("\\n", 1<<21) + "\"",
	"quotes in quotes": "'" + strings.Repeat("''", 1<<21) + "'",
	"line separators":  strings.Repeat("\u2028", 1<<20),
	"key in brackets":  "[" + strings.Repeat("a: b, ", 1<<19),
	"key on a line":    strings.Repeat("[a, ", 100) + strings.Repeat("b, ", 1<<20),
	"comments":         strings.Repeat("#\n", 1<<21),
	"marks":            "a: " + strings.Repeat("\ufeff", 1<<20),
	"long keys":        strings.Repeat(strings.Repeat("k", 2000)+"\n", 1000),
}

// handles gives n directives and a tag that uses the last of them.
func handles(n int) string {
	var s strings.Builder
	for i := range n {
		fmt.Fprintf(&s, "%%TAG !%d! b\n", i)
	}
	fmt.Fprintf(&s, "---\n!%d!c d\n", n-1)
	return s.String()
}

func TestHostile(t *testing.T) {
	for name, document := range hostile {
		start := cputime.Used()
		yaml.Parse([]byte(document))
		if took := cputime.Used() - start; took > cputime.Bound {
			t.Errorf("%s: %v for %d bytes", name, took, len(document))
		}
	}
}

// watch ends the program with the document if it is not stopped in time.
func watch(body []byte) *time.Timer {
	return time.AfterFunc(20*time.Second, func() { panic(fmt.Sprintf("no end: %q", body)) })
}

func FuzzParse(f *testing.F) {
	documents, err := yamltest.Load("testdata/documents")
	if err != nil {
		f.Fatal(err)
	}
	for _, d := range documents {
		f.Add([]byte(d))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		defer watch(body).Stop()
		root, err := yaml.Parse(body)
		at := (*yaml.Error)(nil)
		switch {
		case err != nil && (!errors.As(err, &at) || at.Line < 1 || at.Column < 1 || at.Message == ""):
			t.Errorf("error %v", err)
		case root != nil:
			check(t, root, body, map[*yaml.Node]int{})
		}
	})
}

const (
	open = iota + 1
	closed
)

// check wants what the package promises of every node.
func check(t *testing.T, n *yaml.Node, body []byte, state map[*yaml.Node]int) {
	switch state[n] {
	case open:
		t.Fatal("a node below itself")
	case closed:
		if !n.Shared {
			t.Fatal("a node met twice that is not shared")
		}
		return
	}
	state[n] = open
	if n.Line < 1 || n.Line > 1+len(body) || n.Column < 1 || n.Column > 1+len(body) {
		t.Fatalf("a node at %d:%d", n.Line, n.Column)
	}
	switch {
	case n.Kind == yaml.Scalar && n.Content == nil:
	case n.Kind == yaml.Sequence && n.Value == "" && !n.Plain:
	case n.Kind == yaml.Mapping && n.Value == "" && !n.Plain && len(n.Content)%2 == 0:
	default:
		t.Fatalf("a node that cannot be: %+v", n)
	}
	n.ShortTag()
	for _, c := range n.Content {
		check(t, c, body, state)
	}
	state[n] = closed
}
