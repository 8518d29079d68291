package hooks

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"boothook/injector/userdata"
)

func TestFromPart(t *testing.T) {
	for body, want := range map[string]string{
		"#cloud-boothook\n#!/bin/sh\necho\n":       "#!/bin/sh\necho\n",
		"#cloud-boothook #!/bin/sh\n":              "#!/bin/sh\n",
		"#cloud-boothook\r\n#!/bin/sh\r\necho\r\n": "#!/bin/sh\necho\n",
		"#cloud-boothook\n\n\t \x1c#!/bin/sh\n":    "#!/bin/sh\n",
		"#!/bin/sh\n#cloud-boothook\n":             "#!/bin/sh\n#cloud-boothook\n",
		"#Cloud-Boothook\n#!/bin/sh\n":             "#Cloud-Boothook\n#!/bin/sh\n",
		"\n#cloud-boothook\n#!/bin/sh\n":           "#cloud-boothook\n#!/bin/sh\n",
		"#cloud-boothook\n#!/bin/sh\n\xff\x00\r\n": "#!/bin/sh\n\xff\x00\r\n",
		"#cloud-boothook":                          "",
	} {
		h := FromPart(userdata.Part{Name: "n", Origin: "o", Body: []byte(body)})
		if string(h.Body) != want || h.Kind != Boothook || h.Name != "n" || h.Origin != "o" {
			t.Errorf("%q: %+v", body, h)
		}
	}
}

func TestParseShebang(t *testing.T) {
	for body, want := range map[string][]string{
		"#!/bin/sh\n":                           {"/bin/sh"},
		"#!/bin/sh":                             {"/bin/sh"},
		"#! \t/bin/sh \t\necho":                 {"/bin/sh"},
		"#!/usr/bin/env -S python3 -u \n":       {"/usr/bin/env", "-S python3 -u"},
		"#!/bin/sh\t-e\n":                       {"/bin/sh", "-e"},
		"":                                      nil,
		"#!":                                    nil,
		"#!  \n":                                nil,
		"#!/" + strings.Repeat("x", 253) + "\n": nil,
		"#!/bin/sh\r\n":                         nil,
		"#!/bin/\x00sh\n":                       nil,
		" #!/bin/sh\n":                          nil,
		"\xef\xbb\xbf#!/bin/sh\n":               nil,
	} {
		got, err := parseShebang([]byte(body))
		if !slices.Equal(got, want) || (err == nil) != (want != nil) || err != nil && !errors.Is(err, ErrNoShebang) {
			t.Errorf("%q: %q, %v", body, got, err)
		}
	}
}

func FuzzParseShebang(f *testing.F) {
	f.Add([]byte("#!/bin/sh -e\necho"))
	f.Add([]byte("#!\t\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := parseShebang(body)
		if (err == nil) != (len(got) == 1 || len(got) == 2) {
			t.Fatalf("%q, %v", got, err)
		}
		for _, word := range got {
			if word == "" || strings.ContainsAny(word, "\n") || strings.Trim(word, " \t") != word {
				t.Errorf("%q", got)
			}
		}
	})
}

func TestDecodeResults(t *testing.T) {
	for said, want := range map[string]struct {
		n   int
		err string
	}{
		"":                                {0, ""},
		`{"result":{"name":"a"}}` + "\n":  {1, ""},
		`{"result":{"name":"a"}}{"resul`:  {1, "read results: unexpected EOF"},
		`{"error":"no root"}`:             {0, "set up hooks: no root"},
		`{"result":{"name":"a"}} garbage`: {1, "read results: invalid character 'g' looking for beginning of value"},
	} {
		results, err := decodeResults(strings.NewReader(said))
		if len(results) != want.n || err == nil && want.err != "" || err != nil && err.Error() != want.err {
			t.Errorf("%q: %+v, %v", said, results, err)
		}
	}
}

func TestProblems(t *testing.T) {
	r := Result{
		Name: "part-002", Kind: Boothook, Origin: "user-data", Status: 1,
		Left: []string{"sleep"}, Output: 10, Dropped: 3, Notes: []string{"without /run: absent"},
	}
	want := []string{
		"user-data: part-002: boothook failed with exit status 1",
		"user-data: part-002: boothook left processes running, which were killed: sleep",
		"user-data: part-002: boothook printed 10 bytes, of which 3 were dropped",
		"user-data: part-002: boothook ran without /run: absent",
	}
	var got []string
	for i, p := range r.Problems() {
		got = append(got, p.String())
		if p.Warning != (i > 0) {
			t.Errorf("%s: warning: %v", p, p.Warning)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if ps := (Result{}).Problems(); ps != nil || !(Result{}).OK() {
		t.Error(ps)
	}
}

// TestDelegatePids plays a version 2 hierarchy's root.
func TestDelegatePids(t *testing.T) {
	for name, c := range map[string]struct {
		controllers, control string
		ok                   bool
		after, restored      string
	}{
		"has it":         {"cpu pids memory\n", "", true, "+pids", "-pids"},
		"delegated":      {"pids", "memory pids", true, "memory pids", "memory pids"},
		"without":        {"cpu memory", "", false, "", ""},
		"something like": {"pidsx", "", false, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			control := filepath.Join(dir, "cgroup.subtree_control")
			os.WriteFile(filepath.Join(dir, "cgroup.controllers"), []byte(c.controllers), 0o600)
			os.WriteFile(control, []byte(c.control), 0o600)
			top, err := os.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer top.Close()
			l := &limit{dir: top, restore: func() {}}
			if l.delegatePids() != c.ok {
				t.Fatal("delegated:", !c.ok)
			}
			if got, _ := os.ReadFile(control); string(got) != c.after {
				t.Errorf("after: %q", got)
			}
			l.restore()
			if got, _ := os.ReadFile(control); string(got) != c.restored {
				t.Errorf("restored: %q", got)
			}
		})
	}
}

func TestFromPartHandlersNone(t *testing.T) {
	if h, ok := FromPartHandlers([]userdata.Part{{Type: userdata.TypeScript, Origin: "user-data"}}, true); ok {
		t.Errorf("%+v", h)
	}
}
