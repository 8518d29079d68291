package lint

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"boothook/cmd/boothook/includes"
	"boothook/injector"
	"boothook/injector/plan"
	"boothook/injector/root"
	"boothook/netboot/instance"
)

// unnamed is the instance-id of a root that is planned for.
const unnamed = "i-by-hand"

// lintRoot plans a document for the root of the request, and checks what would
// be written there against what reads it. Nothing of the root is run.
func lintRoot(ctx context.Context, request Request) ([]instance.Problem, error) {
	r, err := root.Open(request.Root)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var get injector.Getter
	if request.Fetch {
		get = includes.Getter{}
	}
	prepared := injector.Prepare(ctx, instance.Instance{Source: "none", ID: unnamed, UserData: request.Document}, get)
	result := injector.Inject(ctx, r, prepared, injector.Options{
		DryRun: true, NoHooks: true, Get: get,
		NewHostKey: func(string, string) (private, public []byte, err error) { return []byte("-"), []byte("-"), nil },
	})
	l := &rootLint{root: r, init: r.InitOf("/sbin/init"), version: systemdOf(r), plan: result.Plan, doc: string(request.Document)}
	l.files()
	l.units(ctx)
	var found []instance.Problem
	for _, p := range append(result.Outcome.Problems, l.found...) {
		if p.Warning && p.Part == "" {
			continue // of the run as a whole, which there will not be
		}
		if rest, ok := strings.CutPrefix(p.Origin, "user-data"); ok {
			p.Origin = request.Name + rest // as lint's own decoding calls it
		}
		found = append(found, p)
	}
	return found, nil
}

// A rootLint checks what a plan writes against what the root does with it.
type rootLint struct {
	root *root.Root
	init plan.Init
	// version is the root's systemd; 0 if that cannot be told.
	version int
	plan    plan.Plan
	doc     string
	// old are the lines, as PATH:LINE, that are too new for the root.
	old   []string
	found []instance.Problem
}

// say notes a finding about a planned file, and a line of that file.
func (l *rootLint) say(s *plan.Step, line int, warning bool, format string, args ...any) {
	where := s.Path
	if line > 0 {
		where += ":" + strconv.Itoa(line)
	}
	l.found = append(l.found, instance.Problem{Origin: s.Why.Origin, Part: s.Why.Part, Line: s.Why.Line,
		Message: where + ": " + fmt.Sprintf(format, args...), Warning: warning})
}

// libraryDirs is where distributions keep systemd's own library.
var libraryDirs = []string{
	"/usr/lib/systemd", "/lib/systemd", "/usr/lib64/systemd", "/usr/lib/x86_64-linux-gnu/systemd", "/usr/lib/aarch64-linux-gnu/systemd",
	"/lib/x86_64-linux-gnu/systemd", "/lib/aarch64-linux-gnu/systemd",
}

// systemdOf is the version of the root's systemd, by the name of its library:
// libsystemd-shared-252.so, or -252.4-1.fc37.so.
func systemdOf(r *root.Root) int {
	for _, dir := range libraryDirs {
		names, _ := r.ReadDir(dir) // absent in most
		for _, name := range names {
			if rest, ok := strings.CutPrefix(name, "libsystemd-shared-"); ok {
				digits := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
				if n, err := strconv.Atoi(digits); err == nil {
					return n
				}
			}
		}
	}
	return 0
}

// files checks every written file by the directory that it goes to.
func (l *rootLint) files() {
	for i := range l.plan.Steps {
		s := &l.plan.Steps[i]
		if s.Kind != plan.File || s.Why.Part == "boothook" || s.Why.Part == "state" {
			continue
		}
		for _, p := range places() {
			if rel, ok := p.holds(s.Path); ok {
				l.file(s, &p, rel)
			}
		}
	}
}

func (l *rootLint) file(s *plan.Step, p *place, rel string) {
	switch {
	case p.systemd && l.init != plan.Systemd:
		l.say(s, 0, true, "the root boots %s, which does not read this", l.init)
		return
	case !slices.ContainsFunc(p.readers, l.root.Exists):
		l.say(s, 0, true, "nothing in this root reads it: there is no %s", path.Base(p.readers[0]))
		return
	}
	kind := path.Ext(rel)
	if dir, name, dropIn := strings.Cut(rel, ".d/"); dropIn {
		kind = path.Ext(dir)
		if path.Ext(name) != ".conf" {
			l.say(s, 0, true, "%s reads only files in .conf here", p.name)
			return
		}
		if kind == "" {
			kind = "." + dir // service.d, for all services
		}
	}
	if !slices.Contains(p.kinds, kind) {
		l.say(s, 0, true, "%s reads only files in %s here", p.name, strings.Join(p.kinds, ", "))
		return
	}
	if p.check != nil {
		p.check(l, s, strings.TrimPrefix(kind, "."))
	}
}
