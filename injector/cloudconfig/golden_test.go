package cloudconfig

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"boothook/injector/internal/golden"
	"boothook/injector/plan"
	"boothook/injector/userdata"
)

// Each testdata/plan/*.txtar is one case. Its files:
//
//	context.json        a Context's Instance, Facts and NewInstance (optional)
//	/etc/cloud/…        a document of the root, lowest priority first
//	vendor/NAME, vendor2/NAME, NAME
//	                    parts of vendor-data, vendor-data2 and user-data;
//	                    NAME.jsonp is a patch
//	plan                what comes out: the golden part
func TestPlanGolden(t *testing.T) {
	golden.Cases(t, "testdata/plan/*.txtar", func(t *testing.T, files []txtar.File) []txtar.File {
		return []txtar.File{{Name: "plan", Data: []byte(describe(runCase(t, files)))}}
	})
}

func runCase(t *testing.T, files []txtar.File) Result {
	ctx := Context{
		InstanceDir: "/var/lib/cloud/instances/i-1",
		HostKey: func(kind string) (KeyPair, error) {
			return KeyPair{[]byte("private " + kind + "\n"), []byte("public " + kind + "\n")}, nil
		},
		Rand: bytes.NewReader(bytes.Repeat([]byte{7, 13, 42}, 1000)),
	}
	var user, vendor, vendor2 []userdata.Part
	var base []plan.Document
	for _, f := range files {
		dir, name := filepath.Split(f.Name)
		part := userdata.Part{Name: name, Type: userdata.TypeCloudConfig, Origin: "user-data", Body: f.Data}
		if strings.HasSuffix(name, ".jsonp") {
			part.Type = userdata.TypeCloudConfigJSONP
		}
		switch {
		case f.Name == "plan":
		case f.Name == "context.json":
			if err := json.Unmarshal(f.Data, &ctx); err != nil {
				t.Fatal(err)
			}
		case strings.HasPrefix(f.Name, "/"):
			base = append(base, plan.Document{Path: f.Name, Body: f.Data})
		case dir == "vendor/":
			part.Origin = "vendor-data"
			vendor = append(vendor, part)
		case dir == "vendor2/":
			part.Origin = "vendor-data2"
			vendor2 = append(vendor2, part)
		default:
			user = append(user, part)
		}
	}
	ctx.Facts.CloudConfig = base
	cfg, problems := Merge(user, vendor, vendor2, base)
	result := Plan(ctx, cfg)
	result.Problems = append(problems, result.Problems...)
	return result
}

// describe writes a result for people: bodies as text, empty fields left out.
func describe(r Result) string {
	var s strings.Builder
	for _, step := range r.Steps {
		fmt.Fprintf(&s, "%s", step.Kind)
		if step.Path != "" {
			fmt.Fprintf(&s, " %s", step.Path)
		}
		if step.Target != "" {
			fmt.Fprintf(&s, " -> %s", step.Target)
		}
		if step.Account != nil {
			account, _ := json.Marshal(step.Account)
			fmt.Fprintf(&s, " %s", account)
		}
		if step.Mode != 0 {
			fmt.Fprintf(&s, " %04o", step.Mode)
		}
		if step.Owner+step.Group != "" {
			fmt.Fprintf(&s, " %s:%s", step.Owner, step.Group)
		}
		for word, set := range map[string]bool{"append": step.Append, "keep": step.KeepExisting} {
			if set {
				s.WriteString(" " + word)
			}
		}
		if step.Frequency != "" {
			fmt.Fprintf(&s, " per-%s", step.Frequency)
		}
		if step.Secret {
			s.WriteString(" secret")
		}
		fmt.Fprintf(&s, " # %s:%d %s\n", step.Why.Part, step.Why.Line, step.Why.Key)
		if step.Body != nil {
			indent(&s, step.Body)
		}
	}
	if r.Bootcmd != nil {
		s.WriteString("bootcmd\n")
		indent(&s, r.Bootcmd)
	}
	for _, p := range r.RandomPasswords {
		fmt.Fprintf(&s, "random-password %s %s\n", p.User, p.Password)
	}
	for _, w := range r.Services {
		fmt.Fprintf(&s, "%s %s # %s:%d %s\n", w.Do, w.Name, w.Why.Part, w.Why.Line, w.Why.Key)
	}
	for _, p := range r.Problems {
		kind := "problem"
		if p.Warning {
			kind = "warning"
		}
		fmt.Fprintf(&s, "%s: %s\n", kind, p)
	}
	return s.String()
}

func indent(s *strings.Builder, body []byte) {
	for line := range strings.Lines(string(body)) {
		if line = strings.TrimSuffix(line, "\n"); !printable(line) {
			line = fmt.Sprintf("%q", line)
		}
		s.WriteString("\t" + line + "\n")
	}
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' && c != '\t' || c == 0xfffd })
}
