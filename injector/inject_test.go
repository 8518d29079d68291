package injector_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"boothook/injector"
	"boothook/injector/hooks"
	"boothook/injector/network"
	"boothook/injector/root"
	"boothook/netboot/instance"
)

var update = flag.Bool("update", false, "rewrite what the cases in testdata/inject come to")

// TestInject does the whole of Inject on a directory. Each archive in
// testdata/inject is one root that boots once or more; its files are:
//
//	root/PATH     what is in the root at first; "root/PATH -> TARGET", a link
//	boot.json     the first boot; see boot
//	user-data, vendor-data, vendor-data2, network-config
//	              what the source gives for it
//	want          what it comes to: the golden part
//	2/…           the second boot, which differs from the first in what stands
//	              here, and so on
func TestInject(t *testing.T) {
	files, err := filepath.Glob("testdata/inject/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir := makeRoot(t, archive)
			b := boot{}
			for n := 1; ; n++ {
				given, wanted := b.read(t, archive, n)
				if !given {
					break
				}
				got := b.run(t, dir)
				if *update {
					setFile(archive, prefix(n)+"want", got)
				} else if diff := cmp.Diff(wanted, got); diff != "" {
					t.Errorf("boot %d (-want +got):\n%s", n, diff)
				}
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// A boot is one injection: what the source gave, and Options.
type boot struct {
	// Instance is nil where no source answered.
	Instance *instance.Instance
	// Partial is Instance.Partial, which has no JSON.
	Partial bool

	HardwareIDs   []string
	DryRun        bool
	NoHooks       bool
	AgainEachBoot bool
	RequireSigned bool
	KeepCloudInit bool
	Init          string
	CloudConfig   string
	NetworkConfig string
	// FallbackNIC is Options.FallbackNIC.
	FallbackNIC network.NIC
	// State shows all of /var/lib/cloud and /var/lib/boothook, of which else
	// only the scripts and the numbers are shown.
	State bool
	// Keygen leaves host keys to the root's ssh-keygen, so to a hook.
	Keygen bool

	// Web is what is to be had over the network, by address; nil: there is
	// none. What is not in it is not found.
	Web map[string]string
	// Hooks says what becomes of a hook of that name; others do nothing.
	Hooks map[string]hook

	bodies map[string][]byte
}

// A hook is what a hook would do if it ran.
type hook struct {
	Status int
	Taken  []int
	// Appends is what it appends to files of the root.
	Appends map[string]string
	Prints  string
}

func prefix(n int) string {
	if n == 1 {
		return ""
	}
	return fmt.Sprintf("%d/", n)
}

// read reads the n-th boot of an archive over the one before.
func (b *boot) read(t *testing.T, a *txtar.Archive, n int) (given bool, wanted string) {
	t.Helper()
	old := b.bodies
	b.bodies = maps.Clone(old)
	if b.bodies == nil {
		b.bodies = map[string][]byte{}
	}
	for _, f := range a.Files {
		name, ok := strings.CutPrefix(f.Name, prefix(n))
		if !ok || n == 1 && strings.Contains(name, "/") {
			continue
		}
		switch name {
		case "boot.json":
			given = true
			dec := json.NewDecoder(bytes.NewReader(f.Data))
			dec.DisallowUnknownFields()
			if err := dec.Decode(b); err != nil {
				t.Fatalf("%s: %v", f.Name, err)
			}
		case "user-data", "vendor-data", "vendor-data2", "network-config":
			given = true
			b.bodies[name] = f.Data
		case "want":
			wanted = string(f.Data)
		default:
			t.Fatalf("%s: no such file in a case", f.Name)
		}
	}
	return given, wanted
}

func setFile(a *txtar.Archive, name, text string) {
	i := slices.IndexFunc(a.Files, func(f txtar.File) bool { return f.Name == name })
	if i < 0 {
		a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(text)})
		return
	}
	a.Files[i].Data = []byte(text)
}

// run does the injection and writes down what it comes to.
func (b *boot) run(t *testing.T, dir string) string {
	t.Helper()
	r, err := root.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var out strings.Builder
	web := &web{pages: b.Web}
	ran := &runner{root: dir, does: b.Hooks}
	o := injector.Options{
		HardwareIDs: b.HardwareIDs, DryRun: b.DryRun, NoHooks: b.NoHooks, AgainEachBoot: b.AgainEachBoot,
		RequireSigned: b.RequireSigned, KeepCloudInit: b.KeepCloudInit, Init: b.Init, CloudConfig: b.CloudConfig,
		NetworkConfig: b.NetworkConfig, FallbackNIC: b.FallbackNIC,
		Hooks: ran, HookOutput: &out,
		Stage: func(stage string, within time.Duration) { fmt.Fprintf(&out, "stage: %s, within %v\n", stage, within) },
		Apply: root.Options{AnyOwner: true, Now: func() time.Time { return time.Unix(20000*24*60*60, 0) }},
	}
	if b.Web != nil {
		o.Get = web
	}
	if !b.Keygen {
		o.NewHostKey = func(kind, comment string) (private, public []byte, err error) {
			return []byte("private " + kind + "\n"), []byte("public " + kind + " " + comment + "\n"), nil
		}
	}
	var p *injector.Prepared
	if b.Instance != nil {
		i := *b.Instance
		i.Partial = b.Partial
		i.UserData, i.VendorData, i.VendorData2 = b.bodies["user-data"], b.bodies["vendor-data"], b.bodies["vendor-data2"]
		i.NetworkConfig = b.bodies["network-config"]
		p = injector.Prepare(t.Context(), i, o.Get)
	}
	before := tree(t, dir)
	result := injector.Inject(t.Context(), r, p, o)
	web.describe(&out)
	describe(&out, &result, b.State)
	compare(&out, before, tree(t, dir), b.State)
	return out.String()
}

// A web is a Getter with a handful of pages.
type web struct {
	pages map[string]string
	lock  sync.Mutex
	asked map[string]int
}

var errNotFound = errors.New("not found")

func (w *web) Get(_ context.Context, url string) ([]byte, error) {
	w.lock.Lock()
	defer w.lock.Unlock()
	if w.asked == nil {
		w.asked = map[string]int{}
	}
	w.asked[url]++
	page, ok := w.pages[url]
	if !ok {
		return nil, errNotFound
	}
	return []byte(page), nil
}

func (w *web) describe(out *strings.Builder) {
	for _, url := range slices.Sorted(maps.Keys(w.asked)) {
		fmt.Fprintf(out, "asked: %s, times %d\n", url, w.asked[url])
	}
}

// A runner says that hooks ran, and does to the root what the case says.
type runner struct {
	root string
	does map[string]hook
}

func (r *runner) Run(_ context.Context, c hooks.Config, list []hooks.Hook) []hooks.Result {
	var results []hooks.Result
	for _, h := range list {
		does := r.does[h.Name]
		result := hooks.Result{Name: h.Name, Kind: h.Kind, Origin: h.Origin, Status: does.Status, Taken: does.Taken}
		if does.Prints != "" {
			fmt.Fprintf(c.Output, "%s\n", does.Prints)
		}
		for path, text := range does.Appends {
			f, err := os.OpenFile(filepath.Join(r.root, path), os.O_APPEND|os.O_WRONLY, 0)
			if err == nil {
				_, err = f.WriteString(text)
				err = errors.Join(err, f.Close())
			}
			if err != nil {
				result.Error = err.Error()
			}
		}
		results = append(results, result)
	}
	return results
}

// describe writes a result for people.
func describe(out *strings.Builder, r *injector.Result, state bool) {
	d := &r.Decision
	fmt.Fprintf(out, "instance %q from %q: applied %v, new %v, changed %v, per instance %v, unfinished %v\n",
		r.Instance.ID, r.Instance.Source, r.Outcome.Applied, d.New, d.Changed, d.PerInstance, d.Unfinished)
	if d.New != r.Outcome.NewInstance {
		fmt.Fprintf(out, "the outcome says new %v\n", r.Outcome.NewInstance)
	}
	fmt.Fprintf(out, "hostname %q, hint %v\n", r.Hostname, r.Hint != "")
	for _, p := range r.Outcome.Problems {
		word := "problem"
		if p.Warning {
			word = "warning"
		}
		fmt.Fprintf(out, "%s: %s\n", word, p)
	}
	for _, p := range r.Parts {
		fmt.Fprintf(out, "part %d: %s %s from %s, %d bytes\n", p.Index, p.Name, p.Type, p.Origin, len(p.Body))
	}
	for _, h := range r.Hooks {
		fmt.Fprintf(out, "hook: %s %s, status %d\n", h.Kind, h.Name, h.Status)
	}
	unchanged := 0
	for i, s := range r.Steps {
		if s.Status == root.Unchanged {
			unchanged++
			continue
		}
		step := &r.Plan.Steps[i]
		if !state && s.Status == root.Written && isOwn(step.Path) {
			continue
		}
		fmt.Fprintf(out, "%s: %s # %s\n", s.Status, step, step.Why)
	}
	fmt.Fprintf(out, "unchanged: %d steps\n", unchanged)
	for _, c := range r.Changes {
		if !state && isOwn(c.Path) {
			continue
		}
		fmt.Fprintf(out, "would change: %s, %q to %q\n", c.Path, c.Old.Kind, c.New.Kind)
	}
}

// makeRoot makes the root of an archive.
func makeRoot(t *testing.T, a *txtar.Archive) string {
	t.Helper()
	dir := t.TempDir()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Chmod(dir, 0o755))
	for _, f := range a.Files {
		name, ok := strings.CutPrefix(f.Name, "root/")
		if !ok {
			continue
		}
		name, target, isLink := strings.Cut(name, " -> ")
		at := filepath.Join(dir, name)
		must(os.MkdirAll(filepath.Dir(at), 0o755))
		if isLink {
			must(os.Symlink(target, at))
		} else {
			must(os.WriteFile(at, f.Data, 0o644))
		}
	}
	return dir
}

// isOwn says that a place is one of boothook's own, or of those that it keeps
// an instance in, and is no script of the user's.
func isOwn(path string) bool {
	if dir := filepath.Dir(path); filepath.Base(dir) == "scripts" && strings.HasPrefix(dir, "/var/lib/cloud/instances/") {
		return false
	}
	return strings.HasPrefix(path, "/var/lib/cloud") || strings.HasPrefix(path, "/var/lib/boothook") ||
		strings.HasPrefix(filepath.Base(path), "boothook")
}

// tree lists all of a root: a line with mode and size or target, and the text
// of files outside the directories of one's own. What is random is left out.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	list := map[string]string{}
	err := filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		path := strings.TrimPrefix(at, dir)
		text := fi.Mode().String()
		switch {
		case path == "/etc/machine-id":
			text += " (32 digits)"
			if body, err := os.ReadFile(at); err != nil || len(strings.TrimSpace(string(body))) != 32 {
				text = fmt.Sprintf("%s not 32 digits: %q, %v", fi.Mode(), body, err)
			} else if !strings.HasPrefix(string(body), "0123456789abcdef") {
				text += ", random"
			}
		case fi.Mode()&fs.ModeSymlink != 0:
			to, err := os.Readlink(at)
			if err != nil {
				return err
			}
			text += " -> " + to
		case fi.Mode().IsRegular():
			body, err := os.ReadFile(at)
			if err != nil {
				return err
			}
			switch {
			case strings.HasPrefix(d.Name(), "boothook"), d.Name() == "late", filepath.Ext(path) == ".network":
				// What is in these the tests of jobs and network say.
			case isOwn(path):
				text += fmt.Sprintf(" %d bytes", len(body))
			default:
				text += "\n\t" + strings.ReplaceAll(strings.TrimSuffix(string(body), "\n"), "\n", "\n\t")
			}
		}
		list[path] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// compare writes down how a tree has changed.
func compare(out *strings.Builder, before, after map[string]string, state bool) {
	paths := maps.Clone(before)
	maps.Copy(paths, after)
	count := map[string]int{}
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		old, was := before[path]
		now, is := after[path]
		sign := "~"
		switch {
		case !is:
			sign = "-"
		case !was:
			sign = "+"
		case old == now:
			continue
		}
		if !state && isOwn(path) {
			count[sign]++
			continue
		}
		fmt.Fprintf(out, "%s\n", strings.TrimSpace(sign+" "+path+" "+now))
	}
	if len(count) > 0 {
		fmt.Fprintf(out, "state: +%d ~%d -%d\n", count["+"], count["~"], count["-"])
	}
}
