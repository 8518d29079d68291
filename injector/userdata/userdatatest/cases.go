// Package userdatatest reads the cases that the tests of package userdata
// and the conformance run against cloud-init share. It is for tests only.
//
// A case is a txtar archive. Its comment says what it is about; its files are
//
//	input            the document
//	answer URL       what is fetched from URL
//	error URL        why nothing can be fetched from URL
//	want             what Decode makes of it, as Format prints it
//
// A name that ends in ".quoted" holds lines of Go string literals, which are
// put together without line ends: for bytes that text cannot show. After that
// ".gz" has the bytes compressed.
package userdatatest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"boothook/injector/userdata"

	"github.com/rogpeppe/go-internal/txtar"
)

// A Case is one document, its answers, and what is expected of it.
type Case struct {
	// Name is the file's name without its extension, About its comment.
	Name, About string
	File        string
	Input       []byte
	Answers     map[string]userdata.Answer
	Want        string
	archive     *txtar.Archive
}

// Load reads the cases in dir in the order of their names.
func Load(dir string) ([]Case, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil {
		return nil, err
	}
	var cases []Case
	for _, file := range files {
		c, err := read(file)
		if err != nil {
			return nil, fmt.Errorf("read case %s: %w", file, err)
		}
		cases = append(cases, c)
	}
	return cases, nil
}

func read(file string) (Case, error) {
	a, err := txtar.ParseFile(file)
	if err != nil {
		return Case{}, err
	}
	c := Case{
		Name:    strings.TrimSuffix(filepath.Base(file), ".txtar"),
		About:   strings.TrimSpace(string(a.Comment)),
		File:    file,
		Answers: map[string]userdata.Answer{},
		archive: a,
	}
	for _, f := range a.Files {
		name, data, err := content(f)
		if err != nil {
			return Case{}, fmt.Errorf("%s: %w", f.Name, err)
		}
		verb, url, _ := strings.Cut(name, " ")
		switch verb {
		case "input":
			c.Input = data
		case "answer":
			c.Answers[url] = userdata.Answer{Body: data}
		case "error":
			c.Answers[url] = userdata.Answer{Err: errors.New(strings.TrimSpace(string(data)))}
		case "want":
			c.Want = string(data)
		default:
			return Case{}, fmt.Errorf("%s: no such file in a case", f.Name)
		}
	}
	return c, nil
}

// content undoes what a file's name says of its bytes.
func content(f txtar.File) (name string, data []byte, err error) {
	name, zipped := strings.CutSuffix(f.Name, ".gz")
	name, quoted := strings.CutSuffix(name, ".quoted")
	data = f.Data
	if quoted {
		data = nil
		for _, line := range strings.Split(strings.TrimSpace(string(f.Data)), "\n") {
			s, err := strconv.Unquote(line)
			if err != nil {
				return "", nil, fmt.Errorf("%s: %w", line, err)
			}
			data = append(data, s...)
		}
	}
	if zipped {
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		z.Write(data)
		z.Close()
		data = out.Bytes()
	}
	return name, data, nil
}

// Decode decodes the case's document with the answers that it asks for.
func (c Case) Decode() userdata.Decoded {
	given := map[string]userdata.Answer{}
	for {
		d := userdata.Decode(c.Input, "user-data", given, userdata.DefaultLimits())
		before := len(given)
		for _, w := range d.Wants {
			if a, ok := c.Answers[w.URL]; ok {
				given[w.URL] = a
			}
		}
		if len(given) == before {
			return d
		}
	}
}

// Update gives the case's archive with got as what is wanted.
func (c Case) Update(got string) []byte {
	files := slices.DeleteFunc(slices.Clone(c.archive.Files), func(f txtar.File) bool { return f.Name == "want" })
	files = append(files, txtar.File{Name: "want", Data: []byte(got)})
	return txtar.Format(&txtar.Archive{Comment: c.archive.Comment, Files: files})
}
