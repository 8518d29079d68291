package main

import (
	_ "embed"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"boothook/scripts/conformance/probe"
)

//go:embed probe.py
var program string

// A rendering is what one of cloud-init's renderers wrote, or how it failed.
type rendering struct {
	Files map[string]string `json:"files"`
	Error string            `json:"error"`
}

// cloudInit renders all documents with the chroot's cloud-init.
func (c *comparison) cloudInit(docs []document) (map[string]map[string]rendering, error) {
	in := map[string]string{}
	for _, d := range docs {
		in[d.name] = d.text
	}
	var result map[string]map[string]rendering
	err := probe.Ask(c.chroot, program, in, &result)
	return result, err
}

// netplan generates the files of a document with the chroot's netplan; refusal
// is what it says instead. A backend replaces the document's own.
func (c *comparison) netplan(text, backend string) (files map[string]string, refusal string, err error) {
	doc := map[string]any{}
	if backend != "" {
		if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
			return nil, "", err
		}
		if inner, ok := doc["network"].(map[string]any); ok {
			doc = inner
		}
		doc["renderer"] = backend
	} else if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		return nil, "", err
	}
	body, err := yaml.Marshal(map[string]any{"network": doc})
	if err != nil {
		return nil, "", err
	}
	files, err = c.run1(map[string]string{"/etc/netplan/50-cloud-init.yaml": string(body)})
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, complaint(exit), nil
	}
	return files, "", err
}

// run1 puts files into a directory of the chroot, lets netplan generate from it
// and gives what is there then.
func (c *comparison) run1(in map[string]string) (map[string]string, error) {
	dir, err := os.MkdirTemp(filepath.Join(c.chroot, "tmp"), "netplan")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	for path, text := range in {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	inside := strings.TrimPrefix(dir, strings.TrimSuffix(c.chroot, "/"))
	if _, err := exec.Command("chroot", c.chroot, "/usr/libexec/netplan/generate", "--root-dir", inside).Output(); err != nil {
		return nil, err
	}
	out := map[string]string{}
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		out[strings.TrimPrefix(path, dir)] = string(text)
		return err
	})
	return out, err
}

// generate is an error if netplan refuses boothook's file.
func (c *comparison) generate(files map[string]string) error {
	if len(files) == 0 {
		return nil
	}
	_, err := c.run1(files)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return errors.New(complaint(exit))
	}
	return err
}

// accepted is an error if netplan refuses what boothook writes for it.
func (c *comparison) accepted(d document) error {
	files, _ := render(d, "netplan")
	return c.generate(files)
}

// complaint is what netplan's generator said at last, in one line, without the
// text of the document that it quotes.
func complaint(exit *exec.ExitError) string {
	var said []string
	for line := range strings.Lines(string(exit.Stderr)) {
		line = strings.TrimSpace(line)
		if i := strings.Index(line, "Error in network definition: "); i >= 0 {
			line = line[i:]
		} else if !strings.Contains(line, "ERROR") && !strings.HasPrefix(line, "/tmp") {
			continue
		}
		said = append(said, line)
	}
	if len(said) == 0 {
		return strings.TrimSpace(string(exit.Stderr))
	}
	return strings.Join(said, "; ")
}
