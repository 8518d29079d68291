package cloudconfig

import (
	"encoding/base64"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Bootcmd gives the script of bootcmd alone, for who runs it before the facts
// are read that Plan needs; nil for none. What is wrong with it Plan says.
func Bootcmd(cfg Config) []byte {
	if cfg.Get("bootcmd").Missing() {
		return nil
	}
	b := &builder{cfg: cfg}
	bootcmd(b)
	return b.result.Bootcmd
}

// Document renders what the user-data's parts come to as cloud-init keeps it
// in cloud-config.txt: a comment that names the parts, and the merged mapping.
// Without any such part it is empty.
func (c Config) Document() []byte {
	if len(c.Files)+len(c.Ignored) == 0 {
		return nil
	}
	var s strings.Builder
	fmt.Fprintf(&s, "#cloud-config\n\n# from %d files\n", len(c.Files))
	for _, name := range c.Files {
		fmt.Fprintf(&s, "# %s\n", oneLine(name))
	}
	s.WriteByte('\n')
	for _, name := range c.Ignored {
		fmt.Fprintf(&s, "# Cloud-config part ignored SCHEMA_ERROR: %s\n", oneLine(name))
	}
	s.WriteString("---\n")
	enc := yaml.NewEncoder(&s)
	enc.SetIndent(4)
	// Writing to a strings.Builder cannot fail, and every Value is a node.
	_ = enc.Encode(c.User.node())
	_ = enc.Close()
	return []byte(s.String())
}

// oneLine keeps a part's name from ending the comment it stands in.
func oneLine(name string) string {
	return strings.NewReplacer("\n", " ", "\r", " ").Replace(name)
}

// literal says whether a text can be written line by line and read back
// exactly: the library's emitter spoils lines that begin or end in blanks.
func literal(s string) bool {
	if !strings.Contains(s, "\n") || strings.Contains(s, "\n\n") {
		return false
	}
	for line := range strings.Lines(s) {
		if line = strings.TrimSuffix(line, "\n"); line != strings.TrimSpace(line) || line == "" {
			return false
		}
	}
	return !strings.ContainsFunc(s, func(c rune) bool { return c != '\n' && (c < ' ' || c > '~') })
}

// node gives a value as YAML that reads back as the same value.
func (v Value) node() *yaml.Node {
	switch v.Kind {
	case Map:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, e := range v.Map {
			n.Content = append(n.Content, e.Key.node(), e.Value.node())
		}
		return n
	case List:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range v.List {
			n.Content = append(n.Content, item.node())
		}
		return n
	case String:
		// Quoted, so that no reader takes "yes" or "0644" for anything else.
		n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: v.Text, Style: yaml.DoubleQuotedStyle}
		if literal(v.Text) {
			n.Style = yaml.LiteralStyle
		}
		return n
	case Binary:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!binary", Style: yaml.TaggedStyle, Value: base64.StdEncoding.EncodeToString([]byte(v.Text))}
	case Absent, Null:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: v.Text}
	if resolvePlain(v.Text).Kind != v.Kind {
		n.Tag, n.Style = map[Kind]string{Bool: "!!bool", Int: "!!int", Float: "!!float", Timestamp: "!!timestamp"}[v.Kind], yaml.TaggedStyle
	}
	return n
}
