package source

import (
	"encoding/json"
	"flag"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"boothook/netboot/instance"
	"boothook/netboot/platform"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// A goldenCase is a directory testdata/SOURCE/CASE. It holds what a cloud
// documents as its answers, one file for each, named by the path below the
// service's base with its slashes escaped; evidence.json, if the machine's
// firmware matters; and want.json, what is made of it all.
type goldenCase struct {
	dir, source string
	docs        Docs
	evidence    platform.Evidence
}

// A goldenInstance is an Instance with its bodies as text.
type goldenInstance struct {
	instance.Instance
	UserData      string `json:"user_data,omitempty"`
	VendorData    string `json:"vendor_data,omitempty"`
	VendorData2   string `json:"vendor_data2,omitempty"`
	NetworkConfig string `json:"network_config,omitempty"`
	Error         string `json:"error,omitempty"`
	// Problems are here so that a golden file shows them.
	Problems []instance.Problem `json:"problems,omitempty"`
}

// goldenCases reads all cases.
func goldenCases(t testing.TB) []goldenCase {
	t.Helper()
	dirs, err := filepath.Glob("testdata/*/*")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	var cases []goldenCase
	for _, dir := range dirs {
		if strings.HasPrefix(dir, "testdata/fuzz/") {
			continue
		}
		c := goldenCase{dir: dir, source: filepath.Base(filepath.Dir(dir)), docs: Docs{}}
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			body, err := os.ReadFile(filepath.Join(dir, f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			switch f.Name() {
			case "want.json":
			case "evidence.json":
				if err := json.Unmarshal(body, &c.evidence); err != nil {
					t.Fatal(err)
				}
			default:
				path, err := url.PathUnescape(f.Name())
				if err != nil {
					t.Fatal(err)
				}
				c.docs[path] = body
			}
		}
		cases = append(cases, c)
	}
	return cases
}

func TestGolden(t *testing.T) {
	covered := map[string]bool{}
	for _, c := range goldenCases(t) {
		covered[c.source] = true
		t.Run(c.dir, func(t *testing.T) {
			in, err := Parse(platform.Match{Source: c.source}, c.docs, &c.evidence)
			g := goldenInstance{in, string(in.UserData), string(in.VendorData), string(in.VendorData2), string(in.NetworkConfig), "", in.Problems}
			if err != nil {
				g.Error = err.Error()
			}
			got, err := json.MarshalIndent(g, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			file := filepath.Join(c.dir, "want.json")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	for _, s := range Table() {
		if !covered[s.Name] {
			t.Errorf("no case for %s", s.Name)
		}
	}
}

// FuzzParse replaces one document of a case by anything at all. FUZZ_SOURCE
// names the one source whose answers are to be fuzzed; without it all are.
func FuzzParse(f *testing.F) {
	cases := goldenCases(f)
	if only := os.Getenv("FUZZ_SOURCE"); only != "" {
		cases = slices.DeleteFunc(cases, func(c goldenCase) bool { return c.source != only })
	}
	if len(cases) == 0 {
		f.Fatal("no case for FUZZ_SOURCE")
	}
	for i, c := range cases {
		for path, body := range c.docs {
			f.Add(i, path, body)
		}
	}
	f.Fuzz(func(t *testing.T, i int, path string, body []byte) {
		c := cases[uint(i)%uint(len(cases))]
		docs := Docs{path: body}
		for p, b := range c.docs {
			if p != path {
				docs[p] = b
			}
		}
		in, err := Parse(platform.Match{Source: c.source}, docs, &c.evidence)
		if err != nil {
			return
		}
		if err := checkID(&in); err != nil {
			t.Errorf("%s: %v", c.source, err)
		}
		if _, err := json.Marshal(in); err != nil {
			t.Errorf("%s: an instance that cannot be stored: %v", c.source, err)
		}
	})
}
