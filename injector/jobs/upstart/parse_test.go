package upstart

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boothook/injector/internal/golden"
)

// testdata/reject holds one job a line: the error's name, "@OFFSET" and
// ":LINE" where upstart's own tests or an observed run tell them, and the job
// as a Go string.
func TestReject(t *testing.T) {
	for i, line := range lines(t, "testdata/reject") {
		where, quoted, _ := strings.Cut(line, "\t")
		job, err := strconv.Unquote(quoted)
		if err != nil {
			t.Fatalf("reject:%d: %v", i+1, err)
		}
		fields := strings.Fields(where)
		_, err = Parse([]byte(job))
		var got *Error
		if !errors.As(err, &got) {
			t.Errorf("%s: accepted, want %s", quoted, fields[0])
			continue
		}
		if got.Kind != kindNamed(fields[0]) {
			t.Errorf("%s: %q, want %s", quoted, got.Kind, fields[0])
		}
		for _, f := range fields[1:] {
			if f[0] == '@' && f != fmt.Sprintf("@%d", got.Offset) || f[0] == ':' && f != fmt.Sprintf(":%d", got.Line) {
				t.Errorf("%s: at @%d :%d, want %s", quoted, got.Offset, got.Line, f)
			}
		}
	}
}

// testdata/accept holds one job a line as a Go string, a tab, and the job as
// Print writes it, which shows what was understood.
func TestAccept(t *testing.T) {
	var out bytes.Buffer
	for i, line := range lines(t, "testdata/accept") {
		quoted, _, _ := strings.Cut(line, "\t")
		text, err := strconv.Unquote(quoted)
		if err != nil {
			t.Fatalf("accept:%d: %v", i+1, err)
		}
		job, err := Parse([]byte(text))
		if err != nil {
			t.Errorf("%s: rejected: %v", quoted, err)
			continue
		}
		fmt.Fprintf(&out, "%s\t%q\n", quoted, Print(job))
		stable(t, job)
	}
	if !t.Failed() {
		golden.File(t, "testdata/accept", out.Bytes())
	}
}

func lines(t *testing.T, file string) []string {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(data)), "\n")
}

// stable checks that what Print writes is read back as the same job.
func stable(t *testing.T, job *Job) {
	t.Helper()
	printed := Print(job)
	again, err := Parse(printed)
	if err != nil {
		t.Fatalf("printed job is rejected: %v\n%s", err, printed)
	}
	if second := Print(again); !bytes.Equal(printed, second) {
		t.Fatalf("printing is not stable:\n%s", cmp.Diff(string(printed), string(second)))
	}
	if diff := cmp.Diff(meaning(job), meaning(again)); diff != "" {
		t.Fatalf("the printed job is another:\n%s\n%s", diff, printed)
	}
}

// meaning is a job without the places it was read from.
func meaning(j *Job) map[string]any {
	text := func(p *Process) any {
		if p == nil {
			return nil
		}
		return []any{p.Text, p.Script}
	}
	var events func(e *Expr) any
	events = func(e *Expr) any {
		if e == nil {
			return nil
		}
		return []any{e.Op, events(e.Left), events(e.Right), e.Event, e.Args}
	}
	return map[string]any{
		"texts":  []string{j.Description, j.Author, j.Version, j.Usage, j.Instance, j.Expect, j.Console, j.Chroot, j.Chdir, j.SetUID, j.SetGID, j.AppArmorLoad, j.AppArmorSwitch},
		"lists":  [][]string{j.Env, j.Export, j.Emits},
		"start":  events(j.StartOn),
		"stop":   events(j.StopOn),
		"jobs":   []any{text(j.Main), text(j.PreStart), text(j.PostStart), text(j.PreStop), text(j.PostStop)},
		"flags":  []bool{j.Task, j.Respawn, j.Debug},
		"limit":  j.RespawnLimit,
		"exit":   j.NormalExit,
		"kill":   []any{j.KillTimeout, j.KillSignal, j.ReloadSignal},
		"level":  []any{j.Umask, j.Nice, j.OOMScore},
		"limits": j.Limits,
		"groups": j.CGroups,
	}
}

func kindNamed(name string) Kind {
	return map[string]Kind{
		"ExpectedToken": ExpectedToken, "UnexpectedToken": UnexpectedToken, "TrailingSlash": TrailingSlash,
		"UnterminatedQuote": UnterminatedQuote, "UnterminatedBlock": UnterminatedBlock, "UnknownStanza": UnknownStanza,
		"IllegalInterval": IllegalInterval, "IllegalExit": IllegalExit, "IllegalSignal": IllegalSignal, "IllegalUmask": IllegalUmask,
		"IllegalNice": IllegalNice, "IllegalOOM": IllegalOOM, "IllegalOOMScore": IllegalOOMScore, "IllegalLimit": IllegalLimit,
		"ExpectedEvent": ExpectedEvent, "ExpectedOperator": ExpectedOperator, "ExpectedVariable": ExpectedVariable, "MismatchedParens": MismatchedParens,
	}[name]
}

// What a command is understood as: the values of upstart's own parser.
func TestCommandText(t *testing.T) {
	for job, want := range map[string]string{
		"exec foo   bar  ":            "foo   bar",
		"exec foo # c":                "foo",
		"exec foo \"# no\"":           `foo "# no"`,
		"exec foo  \\\n  \\\n  bar":   "foo bar",
		"exec echo 'a\n  b'":          "echo 'a b'",
		"exec echo \\$x":              `echo\\$x`,
		"exec sh -c \"a \\$b\"":       `sh -c "a\\$b"`,
		"exec find . -exec rm {} \\;": `find . -exec rm {}\\;`,
		"exec echo a\\$x":             `echo a\$x`,
		"exec foo \\\n\\$x":           `foo \$x`,
		"exec a \\# b":                `a\\# b`,
		"exec echo \"a\\\"b\"":        `echo "a\"b"`,
		"exec a\r\n":                  "a",
	} {
		parsed, err := Parse([]byte(job))
		if err != nil || parsed.Main.Text != want {
			t.Errorf("%q: %q, %v; want %q", job, parsed.Main.Text, err, want)
		}
	}
}

func TestUndent(t *testing.T) {
	for _, tt := range []struct{ block, want string }{
		{"  a\n   b\n  c\n", "a\n b\nc\n"},
		{"\ta\n\tb\n", "a\nb\n"},
		{"    a\n\n    b\n", "    a\n\n    b\n"},
		{"  a\n\tb\n", "  a\n\tb\n"},
		{"\n  a\n", "\n  a\n"},
		{"", ""},
	} {
		job, err := Parse([]byte("script\n" + tt.block + "end script\n"))
		if err != nil || job.Main.Text != tt.want {
			t.Errorf("%q: %q, %v; want %q", tt.block, job.Main.Text, err, tt.want)
		}
	}
}

func TestOverride(t *testing.T) {
	job, err := Parse([]byte("start on a\nenv A=1\nexec b\n"))
	if err != nil {
		t.Fatal(err)
	}
	err = job.Override([]byte("manual\nenv B=2\nnonsense\nexec c\n"))
	var rejected *Error
	if !errors.As(err, &rejected) || rejected.Line != 3 {
		t.Errorf("error %v", err)
	}
	if job.StartOn != nil || len(job.Env) != 2 || job.Main.Text != "b" {
		t.Errorf("what stands before the error was not applied, or what is behind it was: %+v", job)
	}
}

func TestLines(t *testing.T) {
	job, err := Parse([]byte("# c\nrespawn\nrespawn limit 1 2\nstart on a\n\nscript\nend script\nlimit core 0 0\n"))
	if err != nil {
		t.Fatal(err)
	}
	for stanza, want := range map[string]int{"respawn": 2, "respawn limit": 3, "start on": 4, "script": 6, "limit core": 8, "task": 0} {
		if got := job.Line(stanza); got != want {
			t.Errorf("%s at %d, want %d", stanza, got, want)
		}
	}
}

func TestWarnings(t *testing.T) {
	for _, tt := range []struct {
		job, want string
		line      int
	}{
		{"start on a\ntask\n", "never ends", 2},
		{"exec echo \\$x\n", "blank before a backslash", 1},
		{"start on runlevel [2345]\ninstance $TTY\nexec x\n", "$TTY", 2},
		{"start on a X=$Y\nexec x\n", "never matches", 1},
		{"start on a AND b\nexec x\n", "no operator", 1},
		{"setuid www\nexec x\n", "group 0", 1},
		{"start on runlevel\ninstance $RUNLEVEL\nexec x\n", "", 0},
		{"start on a\ninstance $TTY\nexec x\n", "", 0},
		{"start on startup\ninstance ${TTY:-x}\nexec x\n", "", 0},
		{"start on runlevel\nenv TTY=1\ninstance $TTY\ntask\nexec x\n", "", 0},
	} {
		job, err := Parse([]byte(tt.job))
		if err != nil {
			t.Fatal(err)
		}
		w := job.Warnings()
		if len(w) > 1 || (len(w) == 1) != (tt.want != "") {
			t.Errorf("%q: warnings %v", tt.job, w)
		} else if len(w) == 1 && (!strings.Contains(w[0].Message, tt.want) || w[0].Line != tt.line) {
			t.Errorf("%q: %v", tt.job, w[0])
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, file := range []string{"testdata/accept", "testdata/reject"} {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			for _, field := range strings.Split(strings.TrimSpace(line), "\t") {
				if job, err := strconv.Unquote(field); err == nil {
					f.Add([]byte(job))
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		job, err := Parse(data)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Line < 1 || e.Offset > len(data) || e.Line > 1+bytes.Count(data, []byte("\n")) {
				t.Fatalf("error %#v", err)
			}
			return
		}
		job.Warnings()
		stable(t, job)
	})
}
