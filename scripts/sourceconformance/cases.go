package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/txtar"
)

// A sourceCase is what one machine's metadata are. In an archive each file is
// called CASE/PATH, where PATH is the document's path in its service or on its
// volume. The case "_" is the base of all others, which replace its documents,
// change a JSON one by a merge patch (RFC 7396), whose path ends in ~, or leave
// one out by an empty file whose path begins with !. The document "evidence" says
// what the machine's firmware does. The last line break of a file is none of
// the document's.
type sourceCase struct {
	Name     string            `json:"-"`
	Source   string            `json:"source"`
	Docs     map[string][]byte `json:"docs"`
	Evidence evidence          `json:"evidence"`

	// What boothook makes of it.
	Netplan string   `json:"netplan"`
	Vendor  []byte   `json:"vendor"`
	ours    instance `json:"-"`
}

type evidence struct {
	DMI map[string]string `json:"dmi,omitempty"`
	// NICs are the names of the machine's by their hardware addresses; none: eth0
	// to eth2, with fa:16:3e:12:34:01 to :03.
	NICs  map[string]string `json:"nics,omitempty"`
	Words []string          `json:"words,omitempty"`
}

const base, evidenceFile = "_", "evidence"

func readCases(dir, only string) ([]sourceCase, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil {
		return nil, err
	}
	var out []sourceCase
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			return nil, err
		}
		source := strings.TrimSuffix(filepath.Base(file), ".txtar")
		more, err := cases(source, archive)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for _, c := range more {
			if strings.Contains(c.Name, only) {
				out = append(out, c)
			}
		}
	}
	return out, nil
}

func cases(source string, archive *txtar.Archive) ([]sourceCase, error) {
	byName := map[string][]txtar.File{}
	var names []string
	for _, f := range archive.Files {
		name, path, ok := strings.Cut(f.Name, "/")
		if !ok {
			return nil, fmt.Errorf("%s is no CASE/PATH", f.Name)
		}
		if !slices.Contains(names, name) && name != base {
			names = append(names, name)
		}
		byName[name] = append(byName[name], txtar.File{Name: path, Data: bytes.TrimSuffix(f.Data, []byte("\n"))})
	}
	var out []sourceCase
	for _, name := range names {
		docs := map[string][]byte{}
		for _, f := range slices.Concat(byName[base], byName[name]) {
			if err := add(docs, f); err != nil {
				return nil, fmt.Errorf("%s/%s: %w", name, f.Name, err)
			}
		}
		c := sourceCase{Name: source + "/" + name, Source: source}
		if e := docs[evidenceFile]; e != nil {
			if err := json.Unmarshal(e, &c.Evidence); err != nil {
				return nil, fmt.Errorf("%s: evidence: %w", name, err)
			}
			delete(docs, evidenceFile)
		}
		c.Docs = docs
		out = append(out, c)
	}
	return out, nil
}

// add takes a document in, or what changes one.
func add(docs map[string][]byte, f txtar.File) error {
	if path, gone := strings.CutPrefix(f.Name, "!"); gone {
		delete(docs, path)
		return nil
	}
	path, patch := strings.CutSuffix(f.Name, "~")
	if !patch {
		docs[path] = f.Data
		return nil
	}
	was, err := decode(docs[path])
	if err != nil {
		return err
	}
	change, err := decode(f.Data)
	if err != nil {
		return err
	}
	docs[path], err = json.Marshal(merged(was, change))
	return err
}

func decode(body []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	return v, d.Decode(&v)
}

// merged applies a merge patch.
func merged(was, change any) any {
	c, ok := change.(map[string]any)
	if !ok {
		return change
	}
	w, _ := was.(map[string]any)
	out := maps.Clone(w)
	if out == nil {
		out = map[string]any{}
	}
	for k, v := range c {
		if v == nil {
			delete(out, k)
		} else {
			out[k] = merged(out[k], v)
		}
	}
	return out
}
