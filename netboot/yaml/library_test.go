package yaml_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	library "go.yaml.in/yaml/v3"

	"boothook/netboot/yaml"
	"boothook/netboot/yaml/yamltest"
)

// libraryRoot reads the one document of body with the library, which panics on
// some; false if it does not take it.
func libraryRoot(body []byte) (root *library.Node, ok bool) {
	defer func() {
		if recover() != nil {
			root, ok = nil, false
		}
	}()
	var doc, second library.Node
	dec := library.NewDecoder(bytes.NewReader(body))
	if dec.Decode(&doc) != nil || dec.Decode(&second) == nil {
		return nil, false
	}
	return doc.Content[0], true
}

// otherwise says why the library, which reads YAML 1.2 with habits of its own,
// may have another tree than PyYAML for a document; "" if it may not. Which of
// the two is right PyYAML alone decides, in scripts/conformance/yaml.
func otherwise(body []byte) string {
	for _, c := range []struct{ text, why string }{
		{"\t", "a tab may separate"},
		{"\r", "a lone one, and one before the end, are not always ends of lines"},
		{"\u0085", "an end of a line, or not"},
		{"\u2028", "an end of a line, or not"},
		{"\u2029", "an end of a line, or not"},
		{"\ufeff", "a mark inside is dropped"},
		{"%", "a line that begins with one may be text"},
		{"#", "a comment may begin right behind a token"},
		{"?", "no end of a scalar between brackets"},
		{"!", "other tags and resolutions"},
		{":[", "a colon there ends no scalar"},
		{":]", "a colon there ends no scalar"},
		{":{", "a colon there ends no scalar"},
		{":}", "a colon there ends no scalar"},
		{":,", "a colon there ends no scalar"},
	} {
		if bytes.Contains(body, []byte(c.text)) {
			return c.why
		}
	}
	return ""
}

// same compares trees without tags and places: the library resolves as YAML
// 1.2, and counts its own way.
func same(a *yaml.Node, b *library.Node) bool {
	for b.Kind == library.AliasNode {
		b = b.Alias
	}
	kinds := map[library.Kind]yaml.Kind{library.ScalarNode: yaml.Scalar, library.SequenceNode: yaml.Sequence, library.MappingNode: yaml.Mapping}
	if a.Kind != kinds[b.Kind] || a.Value != b.Value || len(a.Content) != len(b.Content) {
		return false
	}
	for i := range a.Content {
		if !same(a.Content[i], b.Content[i]) {
			return false
		}
	}
	return true
}

// size counts the nodes of a tree with aliases expanded, up to a limit.
func size(n *yaml.Node, left *int) bool {
	if *left--; *left < 0 {
		return false
	}
	for _, c := range n.Content {
		if !size(c, left) {
			return false
		}
	}
	return true
}

func FuzzAgainstLibrary(f *testing.F) {
	documents, err := yamltest.Load("testdata/documents")
	if err != nil {
		f.Fatal(err)
	}
	for _, d := range documents {
		f.Add([]byte(d))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if otherwise(body) != "" {
			return
		}
		defer watch(body).Stop()
		root, err := yaml.Parse(body)
		if err != nil || root == nil {
			return
		}
		limit := 10_000
		if theirs, ok := libraryRoot(body); ok && size(root, &limit) && !same(root, theirs) {
			ours, _ := yamltest.Tree(root)
			text, _ := library.Marshal(theirs)
			t.Errorf("%q:\nours    %s\nlibrary %s", body, ours, text)
		}
	})
}

// typical is a cloud-config as people write them, some hundred times.
func typical(t testing.TB) []byte {
	one, err := os.ReadFile("testdata/typical.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return []byte(strings.Repeat("- "+strings.ReplaceAll(string(one), "\n", "\n  ")+"\n", 100))
}

func BenchmarkParse(b *testing.B) {
	body := typical(b)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := yaml.Parse(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLibrary(b *testing.B) {
	body := typical(b)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		var n library.Node
		if err := library.Unmarshal(body, &n); err != nil {
			b.Fatal(err)
		}
	}
}
