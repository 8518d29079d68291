package cloudconfig

import (
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
		if strings.Contains(v.Text, "\n") {
			n.Style = yaml.LiteralStyle
		}
		return n
	case Binary:
		n := &yaml.Node{}
		n.SetString(v.Text)
		return n
	case Absent, Null:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: v.Text}
}
