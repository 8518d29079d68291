package userdata

import (
	"bytes"
	"strconv"
	"strings"

	"boothook/netboot/yaml"
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
	v := "None"
	switch n.ShortTag() {
	case "!!int":
		return scalarIndex(n)
	case "!!str":
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
	root, err := yaml.Parse(body)
	if err != nil || root == nil {
		return nil
	}
	n := lookup(root, "launch-index")
	if n == nil || n.Kind != yaml.Scalar {
		return nil
	}
	return scalarIndex(n)
}

// scalarIndex gives what Python's int makes of a YAML scalar, nil if nothing.
func scalarIndex(n *yaml.Node) *int {
	tag, number, f := yaml.Resolve(n.Value)
	i := int(number)
	switch n.ShortTag() {
	case "!!int", "!!bool":
		if tag != n.ShortTag() {
			return nil
		}
	case "!!float":
		if tag != "!!float" || f != f || f > 1<<31 || f < -1<<31 {
			return nil
		}
		i = int(f)
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
