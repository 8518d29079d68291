package cloudconfig

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boothook/injector/userdata"
)

func TestDocument(t *testing.T) {
	part := func(name, body string) userdata.Part {
		return userdata.Part{Name: name, Type: userdata.TypeCloudConfig, Body: []byte(body)}
	}
	cfg, _ := Merge([]userdata.Part{
		part("part-001", "#cloud-config\nhostname: 'yes'\nruncmd: [\"echo a\\nb\", [ls, 1, ~]]\nmode: 0644\n"),
		part("bad\nname", "#cloud-config\n[: nonsense"),
		part("part-003", "#cloud-config\nssh_pwauth: off\n"),
	}, nil, nil, nil)
	const want = `#cloud-config

# from 2 files
# part-001
# part-003

# Cloud-config part ignored SCHEMA_ERROR: bad name
---
"hostname": "yes"
"runcmd":
    - |-
      echo a
      b
    - - "ls"
      - 1
      - null
"mode": 0644
"ssh_pwauth": off
`
	got := string(cfg.Document())
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("Document (-want +got):\n%s", diff)
	}
	again, problems := Merge([]userdata.Part{part("again", got)}, nil, nil, nil)
	if len(problems) > 0 {
		t.Fatalf("what Document wrote does not read back: %v", problems)
	}
	for _, key := range []string{"hostname", "mode", "ssh_pwauth"} {
		if a, b := cfg.Get(key), again.Get(key); a.Kind != b.Kind || a.Scalar() != b.Scalar() {
			t.Errorf("%s: wrote %v %q, read %v %q", key, a.Kind, a.Scalar(), b.Kind, b.Scalar())
		}
	}
}

func TestDocumentOfNothing(t *testing.T) {
	if got := (Config{}).Document(); got != nil {
		t.Errorf("Document of nothing = %q, want nothing", got)
	}
}

// Whatever can be read is written so that it reads back the same.
func FuzzDocument(f *testing.F) {
	f.Add([]byte("a: {b: [], c: {}, d: [[1, [x]], {y: z}], '': ~}\n? |\n  long\n: \"\\0\\u2028 \\U0001f600\"\n"))
	f.Add([]byte("m:\n- |\n  a\n  b\n- \"a\\n\\nb\"\n- ' a\n\n\n  b '\n- !!binary aGk=\n- !!float 3\n- 2026-01-02\n- 1:30\n- !!str yes\n"))
	f.Add([]byte("k: |+\n  a\n\n<<: {x: &a 0x1F, *a : 017}\n" + strings.Repeat("y", 1200) + ": off"))
	f.Fuzz(func(t *testing.T, body []byte) {
		part := userdata.Part{Name: "p", Type: userdata.TypeCloudConfig, Body: body}
		v, _ := Parse(part)
		if v.Kind != Map { // nothing else is ever merged
			return
		}
		part.Body = Config{User: v, Files: []string{"p"}}.Document()
		again, problems := Parse(part)
		if !same(v, again) || len(problems) > 0 {
			t.Errorf("%q is written as\n%s\nwhich reads as %+v, %v", body, part.Body, again, problems)
		}
	})
}
