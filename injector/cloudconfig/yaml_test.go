package cloudconfig

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"boothook/injector/userdata"
	"boothook/netboot/instance"
)

// knownDifferences are the documents that PyYAML and this package read
// differently, with the reason.
var knownDifferences = map[string]string{
	"omap": "an ordered mapping stays a list of mappings; PyYAML makes tuples",
}

// testdata/pyyaml.json holds documents and what PyYAML 6.0.3's safe_load made
// of each: a value or an error.
func TestParseAsPyYAML(t *testing.T) {
	data, err := os.ReadFile("testdata/pyyaml.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name, YAML, Error string
		Value             any
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			if why, ok := knownDifferences[c.Name]; ok {
				t.Log("differs:", why)
				return
			}
			v, problems := parse(c.YAML)
			if refused := v.Kind == Absent; refused != (c.Error != "") {
				t.Fatalf("refused: %t, PyYAML: %q, problems: %v", refused, c.Error, problems)
			}
			if c.Error != "" {
				if len(problems) == 0 || problems[0].Warning {
					t.Errorf("refused without a problem: %v", problems)
				}
				return
			}
			if diff := cmp.Diff(c.Value, asJSON(v)); diff != "" {
				t.Errorf("differs (-PyYAML +ours):\n%s", diff)
			}
		})
	}
}

func parse(text string) (*Value, []instance.Problem) {
	return Parse(userdata.Part{Name: "part-001", Origin: "user-data", Body: []byte(text)})
}

// asJSON gives a value in the form of testdata/pyyaml.json.
func asJSON(v *Value) any {
	switch v.Kind {
	case Bool:
		return v.Bool
	case Int:
		return float64(v.Int)
	case Float:
		return v.Float
	case String:
		return v.Text
	case Binary:
		return map[string]any{"bytes": v.Text}
	case Timestamp:
		return map[string]any{"time": v.Text}
	case List:
		items := []any{}
		for _, item := range v.List {
			items = append(items, asJSON(item))
		}
		return items
	case Map:
		entries := []any{}
		for _, e := range v.Map {
			entries = append(entries, []any{asJSON(e.Key), asJSON(e.Value)})
		}
		return map[string]any{"map": entries}
	}
	return nil
}

// Aliases may stand for more than any machine holds; the document is refused
// without being expanded.
func TestAliasBomb(t *testing.T) {
	var s strings.Builder
	s.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	names := "0123456789abcdefghijklmnop"
	for i := 1; i < len(names); i++ {
		alias := "*a" + names[i-1:i]
		s.WriteString("a" + names[i:i+1] + ": &a" + names[i:i+1] + " [" + strings.Repeat(alias+", ", 9) + alias + "]\n")
	}
	v, problems := parse(s.String())
	if v.Kind != Absent || len(problems) != 1 {
		t.Errorf("kind %v, problems %v", v.Kind, problems)
	}
}

func TestDepth(t *testing.T) {
	for depth, refused := range map[int]bool{maxDepth - 1: false, maxDepth + 1: true, 20_000: true} {
		v, _ := parse(strings.Repeat("[", depth) + strings.Repeat("]", depth))
		if (v.Kind == Absent) != refused {
			t.Errorf("depth %d: refused %t", depth, !refused)
		}
	}
}

func TestPlaces(t *testing.T) {
	v, _ := parse("#cloud-config\n\nwrite_files:\n- path: /a\n  content: |\n    x\n- path: /b\n")
	list := v.Get("write_files").List
	got := []int{v.Get("write_files").Pos.Line, list[0].Pos.Line, list[0].Get("content").Pos.Line, list[1].Get("path").Pos.Line}
	if want := []int{4, 4, 5, 7}; !slices.Equal(got, want) {
		t.Errorf("lines %v, want %v", got, want)
	}
	if p := list[1].Pos; p.Part != "part-001" || p.Origin != "user-data" {
		t.Errorf("place %+v", p)
	}
}

func TestJSONEscapes(t *testing.T) {
	v, problems := parse(`{"a": "x\/y", "b": "\ud83d\ude00\\/", "c": "\u00e9\n"}`)
	want := map[string]any{"map": []any{[]any{"a", "x/y"}, []any{"b", "😀\\/"}, []any{"c", "é\n"}}}
	if diff := cmp.Diff(want, asJSON(v)); diff != "" || len(problems) > 0 {
		t.Error(problems, diff)
	}
}

func FuzzParse(f *testing.F) {
	data, err := os.ReadFile("testdata/pyyaml.json")
	if err != nil {
		f.Fatal(err)
	}
	var cases []struct{ YAML string }
	if err := json.Unmarshal(data, &cases); err != nil {
		f.Fatal(err)
	}
	for _, c := range cases {
		f.Add([]byte(c.YAML))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		start := time.Now()
		defer func() {
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
		}()
		part := userdata.Part{Name: "p", Type: userdata.TypeCloudConfig, Body: body}
		v, problems := Parse(part)
		if v.Kind == Absent && len(problems) == 0 {
			t.Error("refused without a problem")
		}
		cfg, _ := Merge([]userdata.Part{part, part}, nil, nil, nil)
		Plan(Context{InstanceDir: "/i", Rand: constant{}}, cfg)
		again, problems := parse(string(cfg.Document()))
		if again.Kind == Map && !same(again, cfg.User) || again.Kind == Absent {
			t.Errorf("the document\n%s\nreads back differently: %v", cfg.Document(), problems)
		}
	})
}
