// Yaml compares how boothook and PyYAML, which cloud-init reads with, read
// YAML: the tree of nodes with tags, texts, lines and columns, or a refusal.
//
// Synopsis:
//
//	yaml [--python DIR] [--generate N] [--seed N] [--record FILE] --documents DIR[,DIR]
//
// The documents are those of DIR, parted by lines of "=====", and N that are
// put together by chance out of pieces that have a meaning in YAML. DIR of
// --python is a root file system with python3 and yaml in it; being root is
// needed to enter it, and without it this system's own is asked. What PyYAML
// said of DIR's documents goes into FILE, one to a line. Every difference is
// printed, and makes the exit status 1.
package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"

	"boothook/netboot/yaml"
	"boothook/netboot/yaml/yamltest"
	"boothook/scripts/conformance/probe"
)

//go:embed probe.py
var program string

func main() {
	if err := run(os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "yaml:", err)
		os.Exit(1)
	}
}

func run(out io.Writer, args []string) error {
	fs := flag.NewFlagSet("yaml", flag.ContinueOnError)
	chroot := fs.String("python", "", "the root file system with python3 and PyYAML")
	dirs := fs.String("documents", "", "where documents are, separated by commas")
	generate := fs.Int("generate", 5000, "how many documents to put together by chance")
	seed := fs.Uint64("seed", 1, "where chance begins")
	record := fs.String("record", "", "a file for what PyYAML said of the collected documents")
	if err := fs.Parse(args); err != nil {
		return err
	}
	var documents []string
	for dir := range strings.SplitSeq(*dirs, ",") {
		d, err := yamltest.Load(dir)
		if err != nil {
			return err
		}
		documents = append(documents, d...)
	}
	collected := len(documents)
	chance := rand.New(rand.NewPCG(*seed, 0))
	for range *generate {
		documents = append(documents, invent(chance, documents[:collected]))
	}
	version, theirs, err := ask(*chroot, documents)
	if err != nil {
		return err
	}
	if *record != "" {
		if err := write(*record, documents[:collected], theirs); err != nil {
			return err
		}
	}
	different, accepted := 0, 0
	for i, d := range documents {
		we, reason := ours(d)
		they := strings.TrimSpace(string(theirs[i]))
		if !strings.HasPrefix(they, "{") {
			accepted++
		}
		if refused := strings.HasPrefix(they, "{"); refused && we == "" || we == they {
			continue
		}
		different++
		fmt.Fprintf(out, "%q\n  PyYAML:   %s\n  boothook: %s%v\n", d, they, we, reason)
	}
	fmt.Fprintf(out, "PyYAML %s: %d documents, %d of them read, %d refused; %d differ\n",
		version, len(documents), accepted, len(documents)-accepted, different)
	if different > 0 {
		return errors.New("YAML is read differently")
	}
	return nil
}

// ask has the probe read the documents.
func ask(chroot string, documents []string) (version string, trees []json.RawMessage, err error) {
	var answer struct {
		Version string
		Trees   []json.RawMessage
	}
	if err := probe.Ask(chroot, program, documents, &answer); err != nil {
		return "", nil, err
	}
	if len(answer.Trees) != len(documents) {
		return "", nil, fmt.Errorf("PyYAML read %d documents of %d", len(answer.Trees), len(documents))
	}
	for i := range answer.Trees {
		var b bytes.Buffer
		if err := json.Compact(&b, answer.Trees[i]); err != nil {
			return "", nil, err
		}
		answer.Trees[i] = canonical(b.Bytes())
	}
	return answer.Version, answer.Trees, nil
}

// write records documents and trees, without the words of a refusal.
func write(file string, documents []string, trees []json.RawMessage) error {
	var out bytes.Buffer
	for i, d := range documents {
		tree := trees[i]
		if bytes.HasPrefix(tree, []byte("{")) {
			tree = json.RawMessage(`"refused"`)
		}
		line, err := json.Marshal([]any{d, tree})
		if err != nil {
			return err
		}
		out.Write(append(line, '\n'))
	}
	return os.WriteFile(file, out.Bytes(), 0o644)
}

// canonical writes JSON as this package does.
func canonical(data []byte) []byte {
	var v any
	if json.Unmarshal(data, &v) != nil {
		return data
	}
	out, err := json.Marshal(v)
	if err != nil {
		return data
	}
	return out
}

// ours gives the tree as the probe does, "" and the reason if it is refused.
func ours(document string) (string, error) {
	root, err := yaml.Parse([]byte(document))
	if err != nil {
		return "", err
	}
	return yamltest.Tree(root)
}
