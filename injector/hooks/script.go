package hooks

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"boothook/injector/userdata"
)

const (
	// boothookPrefix marks a cloud-boothook.
	boothookPrefix = "#cloud-boothook"
	// maxInterpreter is the longest name that the kernel reads (execve(2):
	// 255 bytes of the line since Linux 5.1, the "#!" included).
	maxInterpreter = 253
)

// ErrNoShebang marks a hook of which the kernel cannot tell how to run it.
var ErrNoShebang = errors.New(`no "#!" line`)

// FromPart makes a hook of a text/cloud-boothook part, as cloud-init writes
// its file: line ends as userdata.UnixLines has them, the leading
// "#cloud-boothook" taken off, in exactly this spelling and only at the very
// beginning, and then all leading white space.
func FromPart(p userdata.Part) Hook {
	body := bytes.TrimPrefix(userdata.UnixLines(p.Body), []byte(boothookPrefix))
	return Hook{Kind: Boothook, Name: p.Name, Origin: p.Origin, Body: bytes.TrimLeft(body, whiteSpace)}
}

// whiteSpace is what Python's str.lstrip takes off, as far as it is ASCII.
const whiteSpace = "\t\n\v\f\r \x1c\x1d\x1e\x1f"

// shebang gives the interpreter that a script asks for and its argument, if
// any; nothing for a binary program. A script that the kernel would not run
// gives an error that says why. Called inside the root.
func shebang(body []byte) ([]string, error) {
	if bytes.HasPrefix(body, []byte("\x7fELF")) {
		return nil, nil
	}
	interpreter, err := parseShebang(body)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(interpreter[0]); err != nil {
		return nil, fmt.Errorf("interpreter %q: not in the root", interpreter[0])
	}
	return interpreter, nil
}

// parseShebang splits a script's first line as the kernel does (execve(2)):
// the interpreter, then everything that follows as one argument.
func parseShebang(body []byte) ([]string, error) {
	rest, ok := bytes.CutPrefix(body, []byte("#!"))
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrNoShebang, whyNoShebang(body))
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	if bytes.HasSuffix(line, []byte("\r")) {
		return nil, fmt.Errorf("%w that could be used: it ends in CR LF", ErrNoShebang)
	}
	text := strings.Trim(string(line), " \t")
	end := strings.IndexAny(text+" ", " \t")
	name, arg := text[:end], strings.Trim(text[end:], " \t")
	switch {
	case name == "" || len(name) > maxInterpreter || strings.IndexByte(name, 0) >= 0:
		return nil, fmt.Errorf("%w that names an interpreter", ErrNoShebang)
	case arg == "":
		return []string{name}, nil
	}
	return []string{name, arg}, nil
}

// whyNoShebang finds the usual reasons.
func whyNoShebang(body []byte) string {
	trimmed := bytes.TrimLeft(body, whiteSpace)
	switch {
	case len(trimmed) == 0:
		return "it is empty"
	case bytes.HasPrefix(body, []byte("\xef\xbb\xbf")):
		return "it begins with a byte order mark"
	case len(trimmed) >= len(boothookPrefix) && strings.EqualFold(string(trimmed[:len(boothookPrefix)]), boothookPrefix):
		return boothookPrefix + ` is taken off only in lower case and at the very beginning`
	case bytes.HasPrefix(trimmed, []byte("#!")):
		return `something stands before the "#!"`
	}
	return `its first line has to be one, such as "#!/bin/sh"`
}
