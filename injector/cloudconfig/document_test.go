package cloudconfig

import (
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
