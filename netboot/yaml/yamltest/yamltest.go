// Package yamltest holds what tests and the comparison with PyYAML share:
// documents, and trees of nodes as JSON. It does nothing else.
package yamltest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"boothook/netboot/yaml"
)

// Load reads the documents of the .txt files in a directory. Within a file
// they are parted by lines of "=====".
func Load(dir string) ([]string, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	var documents []string
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		documents = append(documents, strings.Split(string(data), "=====\n")...)
	}
	if len(documents) == 0 {
		return nil, fmt.Errorf("load documents of %s: there are none", dir)
	}
	return documents, nil
}

// Tree gives a document as JSON: null for none, else
//
//	[NUMBER, TAG, LINE, COLUMN, CONTENT]
//
// with a scalar's text or a list of such trees as content, or the bare number
// of a node that has been there before.
func Tree(root *yaml.Node) (string, error) {
	if root == nil {
		return "null", nil
	}
	out, err := json.Marshal(tree(root, map[*yaml.Node]int{}))
	return string(out), err
}

func tree(n *yaml.Node, seen map[*yaml.Node]int) any {
	if number, ok := seen[n]; ok {
		return number
	}
	number := len(seen)
	seen[n] = number
	var content any = n.Value
	if n.Kind != yaml.Scalar {
		list := []any{}
		for _, c := range n.Content {
			list = append(list, tree(c, seen))
		}
		content = list
	}
	return []any{number, n.ShortTag(), n.Line, n.Column, content}
}
