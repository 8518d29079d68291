// Package selinux says which label SELinux's policy gives to a path.
//
// In go the texts of a policy's file_contexts(5), out come labels. It reads
// and writes no file itself, and needs no kernel with SELinux: in an initrd
// the policy is not loaded yet, so a file that is made there has no label
// unless it is given one.
package selinux

import (
	"io/fs"
	"sort"
	"strings"
)

// maxSpecs bounds how many lines of a policy are used; targeted policies have
// some 6,000.
const maxSpecs = 1 << 16

// Labels are the file contexts of a policy.
type Labels struct {
	specs []spec
	subs  [][2]string
}

// A spec is one line of file_contexts: what it matches, and the label.
type spec struct {
	// stem is how every path begins that matches; the rest is for expr.
	stem  string
	expr  *expr
	exact bool
	// kind is the file type, or irregular for any.
	kind  fs.FileMode
	label string
}

// Parse reads file contexts in the order of file_contexts,
// file_contexts.homedirs and file_contexts.local, the later ones winning, and
// the substitutions of file_contexts.subs_dist and file_contexts.subs. Lines
// that are not understood are left out.
func Parse(contexts [][]byte, subs [][]byte) *Labels {
	l := &Labels{}
	for _, text := range contexts {
		for line := range strings.Lines(string(text)) {
			if s, ok := parseSpec(line); ok && len(l.specs) < maxSpecs {
				l.specs = append(l.specs, s)
			}
		}
	}
	// As libselinux does it: what names one path alone wins over patterns.
	sort.SliceStable(l.specs, func(i, j int) bool { return !l.specs[i].exact && l.specs[j].exact })
	for _, text := range subs {
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) == 2 && strings.HasPrefix(f[0], "/") {
				l.subs = append(l.subs, [2]string{f[0], strings.TrimSuffix(f[1], "/")})
			}
		}
	}
	return l
}

func parseSpec(line string) (spec, bool) {
	f := strings.Fields(line)
	if len(f) < 2 || strings.HasPrefix(f[0], "#") {
		return spec{}, false
	}
	s := spec{kind: fs.ModeIrregular, label: f[len(f)-1]}
	if len(f) == 3 {
		kind, known := map[string]fs.FileMode{"--": 0, "-d": fs.ModeDir, "-l": fs.ModeSymlink, "-s": fs.ModeSocket,
			"-p": fs.ModeNamedPipe, "-b": fs.ModeDevice, "-c": fs.ModeDevice | fs.ModeCharDevice}[f[1]]
		if !known {
			return spec{}, false
		}
		s.kind = kind
	}
	var err error
	if s.expr, err = compile(f[0]); err != nil {
		return spec{}, false
	}
	s.stem, s.exact = s.expr.prefix()
	return s, true
}

// Lookup gives the label of path, which is absolute and without links, for a
// file of that type. It has none if the policy says so or says nothing.
func (l *Labels) Lookup(path string, mode fs.FileMode) (label string, ok bool) {
	for _, sub := range l.subs {
		if rest, found := strings.CutPrefix(path, sub[0]); found && (rest == "" || rest[0] == '/') {
			path = sub[1] + rest
			break
		}
	}
	for i := len(l.specs) - 1; i >= 0; i-- {
		s := &l.specs[i]
		if s.kind != fs.ModeIrregular && s.kind != mode.Type() || !strings.HasPrefix(path, s.stem) {
			continue
		}
		if s.exact && path != s.stem || !s.exact && !s.expr.match(path) {
			continue
		}
		if s.label == "<<none>>" {
			return "", false
		}
		return s.label, true
	}
	return "", false
}
