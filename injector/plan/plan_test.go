package plan_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boothook/injector/internal/golden"
	"boothook/injector/plan"
)

func why(part string, line int) plan.Why {
	return plan.Why{Part: part, Origin: "user-data", Key: "write_files", Line: line}
}

func example() plan.Plan {
	uid := 1500
	return plan.Plan{Version: plan.Version, InstanceID: "i-0123", Steps: []plan.Step{
		{Kind: plan.File, Path: "/etc/motd", Body: []byte("hello <you>\n"), Mode: 0o644, Why: why("part-001", 3)},
		{Kind: plan.File, Path: "/etc/fstab", Body: []byte("x\n"), Append: true, Why: why("part-001", 9)},
		{Kind: plan.File, Path: "/etc/key", Body: []byte("hunter2"), Mode: 0o600, Owner: "web", Secret: true, Why: why("part-002", 1)},
		{Kind: plan.Dir, Path: "/srv/\x1b[31mred", Mode: 0o1777, KeepExisting: true, Why: why("part-002", 2)},
		{Kind: plan.Link, Path: "/etc/localtime", Target: "/usr/share/zoneinfo/UTC", Why: plan.Why{Part: "boothook"}},
		{Kind: plan.Remove, Path: "/etc/nologin", Why: plan.Why{Part: "meta-data", Origin: "meta-data"}},
		{Kind: plan.User, Account: &plan.Account{Name: "web", UID: &uid, Groups: []string{"adm", "sudo"}, Hash: "$6$x"}, Why: why("part-002", 5)},
		{Kind: plan.Hostname, Body: []byte("web1\n"), Frequency: plan.PerBoot, Why: why("part-002", 8)},
	}}
}

func TestList(t *testing.T) {
	var b bytes.Buffer
	if err := plan.List(&b, example()); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "hunter2") || strings.Contains(b.String(), "$6$x") || strings.Contains(b.String(), "\x1b") {
		t.Errorf("the list shows a secret or an escape:\n%s", b.String())
	}
	golden.File(t, "testdata/list.txt", b.Bytes())
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	if err := plan.Encode(&b, example()); err != nil {
		t.Fatal(err)
	}
	golden.File(t, "testdata/plan.json", b.Bytes())
	got, err := plan.Decode(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(example(), got); diff != "" {
		t.Errorf("after a round trip (-want +got):\n%s", diff)
	}
	if _, err := plan.Decode(strings.NewReader(`{"version": 99}`)); !errors.Is(err, plan.ErrVersion) {
		t.Errorf("version 99: %v", err)
	}
	if _, err := plan.Decode(strings.NewReader(`{"version": 1, "stepps": []}`)); err == nil {
		t.Error("an unknown field was accepted")
	}
}

func TestNormalize(t *testing.T) {
	file := func(path, body string) plan.Step {
		return plan.Step{Kind: plan.File, Path: path, Body: []byte(body), Why: plan.Why{Part: body}}
	}
	add := func(path, body string) plan.Step {
		s := file(path, body)
		s.Append = true
		return s
	}
	keep := func(path, body string) plan.Step {
		s := file(path, body)
		s.KeepExisting = true
		return s
	}
	remove := plan.Step{Kind: plan.Remove, Path: "/f", Why: plan.Why{Part: "remove"}}
	for _, c := range []struct {
		name     string
		in       []plan.Step
		want     string // the parts of the steps that stay
		problems []string
	}{
		{"later wins", []plan.Step{file("/f", "a"), file("/x", "x"), file("//f/.", "b")}, "x b",
			[]string{"a: file /f: left out, because b is about the same path"}},
		{"the same twice", []plan.Step{file("/f", "a"), file("/f", "a")}, "a", nil},
		{"append adds", []plan.Step{file("/f", "a"), add("/f", "b"), add("/f", "b")}, "a b b", nil},
		{"a whole file after appends", []plan.Step{add("/f", "a"), add("/f", "b"), file("/f", "c")}, "c",
			[]string{"a: file /f: left out, because c is about the same path", "b: file /f: left out, because c is about the same path"}},
		{"keep gives way", []plan.Step{file("/f", "a"), keep("/f", "b")}, "a",
			[]string{"b: file /f: left out, because a is about the same path"}},
		{"keep, then whole", []plan.Step{keep("/f", "a"), file("/f", "b")}, "b",
			[]string{"a: file /f: left out, because b is about the same path"}},
		{"removal makes room", []plan.Step{remove, file("/f", "a")}, "remove a", nil},
		{"removal twice", []plan.Step{remove, file("/f", "a"), add("/f", "b"), remove}, "remove",
			[]string{"a: file /f: left out, because remove is about the same path", "b: file /f: left out, because remove is about the same path"}},
		{"keep beside an append", []plan.Step{add("/f", "a"), keep("/f", "b"), add("/f", "c")}, "a c",
			[]string{"b: file /f: left out, because a is about the same path"}},
		{"removal wins", []plan.Step{file("/f", "a"), remove}, "remove",
			[]string{"a: file /f: left out, because remove is about the same path"}},
		{"hostname is a file", []plan.Step{{Kind: plan.Hostname, Body: []byte("h"), Why: plan.Why{Part: "h"}}, file("/etc/hostname", "b")}, "b",
			[]string{"h: hostname /etc/hostname: left out, because b is about the same path"}},
		{"invalid", []plan.Step{file("f", "a"), {Kind: "chant"}, file("/g", "b"), {Kind: plan.User}, {Kind: plan.Hostname, Body: []byte("a b")},
			{Kind: plan.File, Path: "/x\x00", Why: plan.Why{Part: "zero"}}}, "b", []string{
			`a: file f: invalid step: path "f" is not absolute`, `chant: invalid step: unknown kind "chant"`, "user: invalid step: user without a name",
			`hostname /etc/hostname: invalid step: host name "a b"`, "zero: file /x?: invalid step: path \"/x\\x00\" has a zero byte"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, problems := plan.Normalize(plan.Plan{Steps: c.in})
			var parts, said []string
			for _, s := range got.Steps {
				parts = append(parts, s.Why.Part)
			}
			for _, p := range problems {
				said = append(said, p.String())
			}
			if diff := cmp.Diff(c.want, strings.Join(parts, " ")); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.problems, said); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func state(mode uint32, body string) plan.State {
	return plan.State{Kind: "file", Mode: mode, Body: []byte(body)}
}

func TestDiff(t *testing.T) {
	numbers := "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n17\n18\n19\n20\n"
	changes := []plan.Change{
		{Path: "/etc/added", New: state(0o644, "one\ntwo")},
		{Path: "/etc/bin", Old: state(0o644, "a\x00b"), New: state(0o644, "a\x00bc")},
		{Path: "/etc/gone", Old: state(0o644, "x\n")},
		{Path: "/etc/key", Old: state(0o600, ""), New: state(0o600, ""), Secret: true},
		{Path: "/etc/link", New: plan.State{Kind: "link", Mode: 0o777, Target: "/x"}},
		{Path: "/etc/mode", Old: state(0o644, "x\n"), New: state(0o4755, "x\n")},
		{Path: "/etc/numbers", Old: state(0o644, numbers), New: state(0o644, "0\n"+strings.Replace(numbers, "12\n13\n", "twelve\n", 1))},
		{Path: "/srv", New: plan.State{Kind: "dir", Mode: 0o755, UID: 1, GID: 2}},
	}
	var b bytes.Buffer
	if err := plan.Diff(&b, changes); err != nil {
		t.Fatal(err)
	}
	golden.File(t, "testdata/diff.txt", b.Bytes())
}

// FuzzDiff applies what Diff writes, as patch(1) would but with no fuzz.
func FuzzDiff(f *testing.F) {
	f.Add("a\nb\nc\n", "a\nc\nd")
	f.Add("", "x")
	f.Add("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "0\n1\n2\n3\n4\n5\n6\n7\n8\n")
	f.Fuzz(func(t *testing.T, old, new string) {
		if strings.ContainsFunc(old+new, func(c rune) bool { return c != '\n' && (c < ' ' || c > '~') }) {
			return
		}
		var b bytes.Buffer
		if err := plan.Diff(&b, []plan.Change{{Path: "/f", Old: state(0o644, old), New: state(0o644, new)}}); err != nil {
			t.Fatal(err)
		}
		if got := patch(t, old, b.String()); got != new {
			t.Fatalf("patched %q, want %q, with\n%s", got, new, b.String())
		}
	})
}

func patch(t *testing.T, old, diff string) string {
	lines, at, out := strings.SplitAfter(old, "\n"), 0, ""
	next := func(want string) {
		if at >= len(lines) || lines[at] != want {
			t.Fatalf("line %d is not %q in\n%s", at+1, want, diff)
		}
		at++
	}
	body := strings.ReplaceAll(diff, "\n\\ No newline at end of file\n", "\x00")
	for _, line := range strings.SplitAfter(strings.ReplaceAll(body, "\x00", "\x00\n"), "\n") {
		text := strings.TrimSuffix(line, "\x00\n")
		switch {
		case strings.HasPrefix(line, "@@ -"):
			var from, count int
			fmt.Sscanf(line, "@@ -%d,%d", &from, &count)
			if !strings.Contains(strings.Fields(line)[1], ",") {
				count = 1
			}
			if count == 0 {
				from++
			}
			for at < from-1 {
				out += lines[at]
				at++
			}
		case strings.HasPrefix(line, "--- a/"), strings.HasPrefix(line, "+++ b/"), line == "":
		case line[0] == ' ':
			next(text[1:])
			out += text[1:]
		case line[0] == '-':
			next(text[1:])
		case line[0] == '+':
			out += text[1:]
		}
	}
	return out + strings.Join(lines[at:], "")
}
