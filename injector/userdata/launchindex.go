package userdata

import (
	"bytes"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// headerIndex reads a Launch-Index header.
func headerIndex(v string) *int {
	n, err := pythonInt(v)
	if err != nil {
		n = NoLaunchIndex
	}
	return &n
}

// itemIndex reads the launch-index of an archive item.
func itemIndex(n *yaml.Node) *int {
	if n == nil {
		return nil
	}
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!int" {
		return scalarIndex(n)
	}
	v := "None"
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" {
		v = n.Value
	}
	return headerIndex(v)
}

// payloadIndex reads the launch-index key of a cloud-config document. What
// is not a number, or a document that cannot be read, asks for nothing.
func payloadIndex(body []byte, limits Limits) *int {
	if len(body) > limits.YAML || !bytes.Contains(body, []byte("launch-index")) {
		return nil
	}
	root, err := loadYAML(body)
	if err != nil || root == nil {
		return nil
	}
	n := lookup(root, "launch-index")
	if n == nil || n.Kind != yaml.ScalarNode {
		return nil
	}
	return scalarIndex(n)
}

// scalarIndex gives what Python's int makes of a YAML scalar, nil if nothing.
func scalarIndex(n *yaml.Node) *int {
	var i int
	switch n.ShortTag() {
	case "!!int":
		if n.Decode(&i) != nil {
			return nil
		}
	case "!!float":
		var f float64
		if n.Decode(&f) != nil || f != f || f > 1<<31 || f < -1<<31 {
			return nil
		}
		i = int(f)
	case "!!bool":
		if n.Value[0]|0x20 == 't' {
			i = 1
		}
	case "!!str":
		var err error
		if i, err = pythonInt(n.Value); err != nil {
			return nil
		}
	default:
		return nil
	}
	return &i
}

// pythonInt parses a decimal integer as Python's int does.
func pythonInt(s string) (int, error) {
	s = strings.TrimFunc(s, isSpace)
	if strings.HasPrefix(s, "_") || strings.HasSuffix(s, "_") || strings.Contains(s, "__") {
		return 0, strconv.ErrSyntax
	}
	return strconv.Atoi(strings.ReplaceAll(s, "_", ""))
}
