package userdata

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"boothook/netboot/yaml"
)

// archive gives the items of a #cloud-config-archive. They are not looked
// into: an include or an archive among them stays what it is.
func (d *decoder) archive(body []byte, src source) {
	if len(body) > d.limits.YAML {
		d.problem(src, "", 1, limitErrorf("archive of more than %d bytes", d.limits.YAML), false)
		return
	}
	root, err := yaml.Parse(body)
	if err != nil {
		line, err := yamlError(err)
		used := "what stands before it is"
		if root == nil {
			used = "only the items that stand alone are"
		}
		d.problem(src, "", line, fmt.Errorf("archive: %w; %s used", err, used), false)
		if root == nil {
			d.salvage(body, src)
		}
	}
	if root == nil {
		return
	}
	items, ok := listItems(root)
	if !ok {
		d.problem(src, "", root.Line, errors.New("archive: it is not a list of items"), false)
		return
	}
	for i, n := range items {
		if i == d.limits.Parts {
			d.problem(src, "", n.Line, limitErrorf("archive: more than %d items; the rest is left out", i), false)
			return
		}
		d.item(n, 0, src.at(i+1))
	}
}

// maxSalvaged bounds the items that are tried one by one, as each try costs
// far more than its bytes.
const maxSalvaged = 256

// salvage takes an archive that is not valid YAML apart at the lines that
// begin an item, and uses the items that are mappings with content, so that
// one bad item does not take the others with it.
func (d *decoder) salvage(body []byte, src source) {
	var chunk []byte
	n, line, first := 0, 0, 0
	flush := func() {
		root, err := yaml.Parse(chunk)
		if n == 0 || err != nil || root == nil {
			return
		}
		items, ok := listItems(root)
		if ok && len(items) == 1 && items[0].Kind == yaml.Mapping && lookup(items[0], "content") != nil {
			d.item(items[0], first-1, src.at(n))
		}
	}
	for l := range bytes.Lines(body) {
		line++
		if bytes.HasPrefix(l, []byte("- ")) || bytes.HasPrefix(l, []byte("-\n")) {
			flush()
			if n == maxSalvaged {
				d.problem(src, "", line, limitErrorf("archive: more than %d items after an error; the rest is left out", maxSalvaged), false)
				return
			}
			n, first, chunk = n+1, line, nil
		}
		chunk = append(chunk, l...)
	}
	flush()
}

// listItems gives the items of a list or a !!set.
func listItems(n *yaml.Node) ([]*yaml.Node, bool) {
	switch n.ShortTag() {
	case "!!seq":
		return n.Content, true
	case "!!set":
		var keys []*yaml.Node
		for i := 0; i+1 < len(n.Content); i += 2 {
			keys = append(keys, n.Content[i])
		}
		return keys, true
	case "!!null":
		return nil, true
	}
	return nil, false
}

// item emits one item. Lines are those of n plus offset.
func (d *decoder) item(n *yaml.Node, offset int, src source) {
	if d.full {
		return
	}
	line := n.Line + offset
	content, typ := n, (*yaml.Node)(nil)
	switch {
	case n.ShortTag() == "!!str":
	case n.Kind == yaml.Mapping:
		content, typ = lookup(n, "content"), lookup(n, "type")
	default:
		d.problem(src, "", line, errors.New("archive: the item is neither text nor a mapping"), false)
		return
	}
	body, binary, err := itemContent(content)
	if err == nil && !d.spend(len(body), src) {
		return
	}
	p := Part{Origin: src.origin, Body: []byte(body), Err: err}
	if n.Kind == yaml.Mapping {
		p.Name = strings.TrimSpace(scalarText(lookup(n, "filename")))
		p.LaunchIndex = itemIndex(lookup(n, "launch-index"))
		if p.MergeType = scalarText(lookup(n, "Merge-Type")); p.MergeType == "" {
			p.MergeType = scalarText(lookup(n, "X-Merge-Type"))
		}
	}
	p.DeclaredType = scalarText(typ)
	switch p.Type = Sniff(p.Body); {
	case p.DeclaredType != "":
		p.Type = mediaType(p.DeclaredType)
		if !strings.Contains(p.DeclaredType, "/") && err == nil {
			p.Type = p.DeclaredType
			p.Err = fmt.Errorf("archive: type %q on line %d is no media type: it has no \"/\"", p.DeclaredType, line)
		}
	case p.Type == "" && binary:
		p.Type = "application/octet-stream"
	case p.Type == "":
		p.Type = TypeCloudConfig
	}
	d.emit(p, src, nil)
}

// itemContent gives the text of a content value, or the bytes of a !!binary.
func itemContent(n *yaml.Node) (body string, binary bool, err error) {
	switch {
	case n == nil:
		return "", false, nil
	case n.ShortTag() == "!!str":
		return n.Value, false, nil
	case n.ShortTag() == "!!binary":
		b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(n.Value), ""))
		if err != nil {
			return "", true, fmt.Errorf("archive: the content on line %d is not base64", n.Line)
		}
		return string(b), true, nil
	}
	return "", false, fmt.Errorf("archive: the content on line %d is not text: put \"|\" before a block of it, or quotes around it", n.Line)
}

// lookup gives the value of key in a mapping, nil for none. The last of
// equal keys counts, and merge keys ("<<") fill in what is missing.
func lookup(n *yaml.Node, key string) *yaml.Node {
	steps := 256 // merge keys can be nested to no end
	return lookupMerged(n, key, &steps)
}

func lookupMerged(n *yaml.Node, key string, steps *int) *yaml.Node {
	if *steps--; *steps < 0 || n.Kind != yaml.Mapping {
		return nil
	}
	var found, merged *yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		switch k := n.Content[i]; {
		case k.Kind == yaml.Scalar && k.Value == key:
			found = n.Content[i+1]
		case k.ShortTag() == "!!merge":
			merged = n.Content[i+1]
		}
	}
	if found != nil || merged == nil {
		return found
	}
	if merged.Kind != yaml.Sequence {
		return lookupMerged(merged, key, steps)
	}
	for _, m := range merged.Content {
		if found = lookupMerged(m, key, steps); found != nil {
			return found
		}
	}
	return nil
}

// scalarText is the text of a scalar, "" for anything else and for null.
func scalarText(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.Scalar || n.ShortTag() == "!!null" {
		return ""
	}
	return n.Value
}

// yamlError splits the line off an error of the YAML package.
func yamlError(err error) (line int, _ error) {
	if at := (*yaml.Error)(nil); errors.As(err, &at) {
		return at.Line, errors.New(at.Message)
	}
	return 0, err
}
