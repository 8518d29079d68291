package lint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"boothook/injector/plan"
)

const (
	// analyzer is this machine's, which is made for looking into other roots
	// (--root). The root's own is not run: the root may be anybody's.
	analyzer = "systemd-analyze"
	// verifyTime bounds one run of it.
	verifyTime = 2 * time.Minute
	// maxUnitFiles and maxUnitFile bound what is copied for it.
	maxUnitFiles = 20000
	maxUnitFile  = 1 << 20
)

// units has systemd-analyze verify the planned units and drop-ins, among the
// units that the root has.
func (l *rootLint) units(ctx context.Context) {
	names := map[string]*plan.Step{}
	for i := range l.plan.Steps {
		s := &l.plan.Steps[i]
		if rel, ok := (&places()[0]).holds(s.Path); ok && s.Kind == plan.File {
			unit, _, _ := strings.Cut(rel, ".d/")
			if slices.Contains(unitKinds, path.Ext(unit)) && s.Why.Part != "boothook" {
				names[unit] = s
				l.enabled(s, unit)
			}
		}
	}
	if len(names) == 0 || l.init != plan.Systemd {
		return
	}
	if err := l.verify(ctx, names); err != nil {
		for _, s := range names {
			l.say(s, 0, true, "not verified: %v", err)
		}
	}
}

// enabled warns of a unit that asks to be wanted, when nothing in the same
// user-data so much as names it.
func (l *rootLint) enabled(s *plan.Step, unit string) {
	if path.Base(s.Path) != unit || !strings.Contains(string(s.Body), "[Install]") {
		return
	}
	stem := strings.TrimSuffix(unit, path.Ext(unit))
	for i := range l.plan.Steps {
		if other := &l.plan.Steps[i]; other.Kind == plan.Link && path.Base(other.Path) == unit {
			return
		}
	}
	// systemctl may be told of it in any script; the path itself is one mention.
	if strings.Count(l.doc, stem) > 1 {
		return
	}
	l.say(s, 0, true, "nothing enables this unit; say \"boothook: {enable: [%s]}\"", unit)
}

// verify runs the analyzer on a tree that has the root's units and the plan's.
func (l *rootLint) verify(ctx context.Context, names map[string]*plan.Step) error {
	if _, err := exec.LookPath(analyzer); err != nil {
		return fmt.Errorf("this machine has no %s", analyzer)
	}
	dir, err := os.MkdirTemp("", "boothook-lint")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	to, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer to.Close()
	tree := &shadow{from: l, to: to}
	if err := tree.make(); err != nil {
		return err
	}
	args := []string{"--root=" + dir, "--man=no", "--generators=no", "verify"}
	for name := range names {
		args = append(args, name)
	}
	slices.Sort(args[4:])
	ctx, cancel := context.WithTimeout(ctx, verifyTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, analyzer, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "SYSTEMD_LOG_LEVEL=info", "SYSTEMD_LOG_COLOR=0", "SYSTEMD_LOG_TARGET=console"}
	out, err := cmd.CombinedOutput()
	var status *exec.ExitError
	if err != nil && !errors.As(err, &status) {
		return err
	}
	for line := range strings.Lines(string(out)) {
		l.verdict(dir, names, strings.TrimSpace(line))
	}
	return nil
}

var verdictPlace = regexp.MustCompile(`^(\S+?):(?:(\d+):)? (.*)$`)

// verdict takes one line of the analyzer's output, if it is about the plan.
func (l *rootLint) verdict(dir string, names map[string]*plan.Step, line string) {
	m := verdictPlace.FindStringSubmatch(line)
	if m == nil {
		return // sums up what was said already
	}
	step := names[m[1]]
	for i := range l.plan.Steps {
		if s := &l.plan.Steps[i]; s.Kind == plan.File && dir+s.Path == m[1] {
			step = s
		}
	}
	if step == nil {
		return // the root's own affair
	}
	if slices.Contains(l.old, step.Path+":"+m[2]) {
		return // said already, and better
	}
	n, _ := strconv.Atoi(m[2]) // 0 for none
	message := strings.ReplaceAll(m[3], dir, "")
	l.say(step, n, strings.Contains(strings.ToLower(message), "ignoring"), "%s", strings.ToLower(message[:1])+message[1:])
}

// A shadow is a tree with as much of a root as the analyzer looks at. It takes
// over the root's links, whatever they are, so everything in it goes through
// an os.Root, which follows none out of the tree.
type shadow struct {
	from  *rootLint
	to    *os.Root
	count int
}

func (t *shadow) make() error {
	r := t.from.root
	if target, err := r.ReadLink("/lib"); err == nil && strings.Trim(target, "/") == "usr/lib" {
		if err := errors.Join(t.to.MkdirAll("usr/lib", 0o700), t.to.Symlink("usr/lib", "lib")); err != nil {
			return err
		}
	}
	for _, dir := range below("systemd/system") {
		if err := t.copy(dir, 0); err != nil {
			return err
		}
	}
	for i := range t.from.plan.Steps {
		if err := t.apply(&t.from.plan.Steps[i]); err != nil {
			return err
		}
	}
	return nil
}

// copy takes over a directory of units, with the directories in it.
func (t *shadow) copy(dir string, depth int) error {
	names, err := t.from.root.ReadDir(dir)
	if err != nil {
		return nil // no directory, or one that nobody can read
	}
	for _, name := range names {
		if t.count++; t.count > maxUnitFiles {
			return fmt.Errorf("the root has more than %d unit files", maxUnitFiles)
		}
		from := dir + "/" + name
		info, err := t.from.root.Lstat(from)
		switch {
		case err != nil:
		case info.Mode.IsDir() && depth == 0:
			err = t.copy(from, 1)
		case info.Mode&fs.ModeSymlink != 0:
			var target string
			if target, err = t.from.root.ReadLink(from); err == nil {
				err = t.put(from, func(to string) error { return t.to.Symlink(target, to) })
			}
		case info.Mode.IsRegular():
			var body []byte
			if body, err = t.from.root.ReadFileMax(from, maxUnitFile); err == nil {
				err = t.unit(from, body)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// put makes a file of the tree in place of what is there.
func (t *shadow) put(at string, write func(to string) error) error {
	at = strings.TrimPrefix(path.Clean(at), "/")
	if err := t.to.MkdirAll(path.Dir(at), 0o700); err != nil {
		return err
	}
	if err := t.to.Remove(at); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return write(at)
}

// apply does a planned step to the tree, if it is about units.
func (t *shadow) apply(s *plan.Step) error {
	if _, ok := (&places()[0]).holds(s.Path); !ok {
		return nil
	}
	switch s.Kind {
	case plan.File:
		return t.unit(s.Path, s.Body)
	case plan.Link:
		return t.put(s.Path, func(to string) error { return t.to.Symlink(s.Target, to) })
	case plan.Remove:
		return t.put(s.Path, func(string) error { return nil })
	}
	return nil
}

var execLine = regexp.MustCompile(`(?m)^\s*Exec\w+\s*=\s*[-@:+!|]*"?(/[^\s"]+)`)

// unit puts a unit into the tree, and something in the place of each program
// that it starts, if the root has that or will have it.
func (t *shadow) unit(at string, body []byte) error {
	if err := t.put(at, func(to string) error { return t.to.WriteFile(to, body, 0o600) }); err != nil {
		return err
	}
	for _, m := range execLine.FindAllSubmatch(body, -1) {
		program := string(m[1])
		info, err := t.from.root.Stat(program)
		there := err == nil && info.Mode.IsRegular() && info.Mode&0o111 != 0
		for i := range t.from.plan.Steps {
			s := &t.from.plan.Steps[i]
			there = there || s.Kind == plan.File && s.Path == program && s.Mode&0o111 != 0
		}
		if !there {
			continue
		}
		if err := t.put(program, func(to string) error { return t.to.WriteFile(to, nil, 0o700) }); err != nil {
			return err
		}
	}
	return nil
}
