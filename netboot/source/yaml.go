package source

import (
	"fmt"
	"strings"

	"boothook/netboot/yaml"
)

// maxYAMLNodes bounds a YAML document, aliases counted as often as they are
// used. Metadata has some dozens.
const maxYAMLNodes = 100_000

// parseYAML reads a document that must be a YAML mapping; an empty one is an
// empty mapping. what names it in the error, which never quotes it.
func parseYAML(what string, body []byte) (object, error) {
	v, err := anyYAML(what, body)
	if err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case nil:
		return object{}, nil
	case map[string]any:
		return v, nil
	}
	return nil, fmt.Errorf("%w: %s is not a yaml mapping", ErrMalformed, what)
}

// anyYAML reads a document that may be anything.
func anyYAML(what string, body []byte) (any, error) {
	root, err := yaml.Parse(body)
	if err != nil {
		return nil, fmt.Errorf("%w: %s is not yaml: %w", ErrMalformed, what, err)
	}
	if root == nil {
		return nil, nil
	}
	budget := maxYAMLNodes
	v, err := yamlValue(root, &budget)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrMalformed, what, err)
	}
	return v, nil
}

// yamlValue turns a node into what JSON can hold. Scalars that are neither
// integer nor boolean nor null stay the text that was written: an id like
// 1e3 or 2026-01-02 is no number and no date, and a hardware address of
// decimal digits alone is no number in base sixty, though PyYAML takes it for
// one and cloud-init then finds no such interface.
func yamlValue(n *yaml.Node, budget *int) (any, error) {
	if *budget--; *budget < 0 {
		return nil, fmt.Errorf("more than %d nodes", maxYAMLNodes)
	}
	switch n.Kind {
	case yaml.Sequence:
		list := make([]any, 0, len(n.Content))
		for _, e := range n.Content {
			v, err := yamlValue(e, budget)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case yaml.Mapping:
		m := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			v, err := yamlValue(n.Content[i+1], budget)
			if err != nil {
				return nil, err
			}
			m[n.Content[i].Value] = v
		}
		return m, nil
	}
	return yamlScalar(n), nil
}

func yamlScalar(n *yaml.Node) any {
	tag, i, _ := yaml.Resolve(n.Value)
	switch {
	case tag != n.ShortTag():
	case tag == "!!null":
		return nil
	case tag == "!!int" && !strings.Contains(n.Value, ":"):
		return i
	case tag == "!!bool":
		return i == 1
	}
	return n.Value
}
