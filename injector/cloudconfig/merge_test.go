package cloudconfig

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boothook/injector/plan"
	"boothook/injector/userdata"
)

func cloudConfig(name, body string) userdata.Part {
	return userdata.Part{Name: name, Type: userdata.TypeCloudConfig, Origin: "user-data", Body: []byte(body)}
}

// The expected values follow from cloud-init's mergers (m_dict, m_list,
// m_str): every option once, and what was observed to be odd.
func TestMergeRules(t *testing.T) {
	tests := []struct{ name, how, base, with, want string }{
		{"default replaces keys", "", "a: {x: 1}\nb: 1", "a: {y: 2}", "a: {y: 2}\nb: 1"},
		{"dict joins", "dict()", "a: {x: 1, y: 1}", "a: {y: 2, z: 3}", "a: {x: 1, y: 1, z: 3}"},
		{"dict keeps lists", "dict()+list(append)", "a: [1]", "a: [2]", "a: [1]"},
		{"dict recurses into lists", "dict(recurse_list)+list(append)", "a: [1]", "a: [2]", "a: [1, 2]"},
		{"recurse_array too", "dict(recurse_array)+list(prepend)", "a: [1]", "a: [2]", "a: [2, 1]"},
		{"dict recurses into strings", "dict(recurse_str)+str(append)", "a: x", "a: y", "a: xy"},
		{"strings replaced", "dict(recurse_str)+str()", "a: x", "a: y", "a: y"},
		{"null deletes", "dict(allow_delete,no_replace)", "a: 1\nb: 2", "a:\n", "b: 2"},
		{"what is deleted moves no other", "dict(allow_delete,replace)", "a: 1\nb: 2\nc: 3", "a:\nd: 4\nc: 5", "b: 2\nc: 5\nd: 4"},
		{"null stays without the option", "dict(replace)", "a: 1", "a:\n", "a:\n"},
		{"list is replaced by index and not lengthened", "dict(recurse_list)+list()", "a: [a, b, c]", "a: [x, y, z, w]", "a: [x, y, z]"},
		{"shorter list replaces the beginning", "dict(recurse_list)+list()", "a: [a, b, c]", "a: [x]", "a: [x, b, c]"},
		{"list no_replace", "dict(recurse_list)+list(no_replace)", "a: [a]", "a: [x]", "a: [a]"},
		{"list recurse_dict", "dict(recurse_list)+list(recurse_dict)", "a: [{x: 1}]", "a: [{y: 2}]", "a: [{x: 1, y: 2}]"},
		{"append takes a mapping's keys", "dict(recurse_list)+list(append)", "r: {a: [1]}", "r: {a: [2]}", "r: {a: [1, 2]}"},
		{"no rule for dicts leaves all", "list(append)", "a: [1]", "a: [2]", "a: [1]"},
		{"first rule of a kind counts", "dict()+dict(replace)", "a: 1", "a: 2", "a: 1"},
		{"list form", "[{name: dict, settings: [recurse_list]}, [list, append]]", "a: [1]", "a: [2]", "a: [1, 2]"},
		{"spaces, case and dashes", "' Dict( Recurse_List ) + LIST(append)'", "a: [1]", "a: [2]", "a: [1, 2]"},
		{"null is no rule", "", "a: 1\nb: 1", "merge_how: ~\na: 2", "a: 2\nb: 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			with := tt.with
			if tt.how != "" {
				with = "merge_how: " + tt.how + "\n" + with
			}
			want, _ := parse(tt.want)
			for _, key := range []string{"merge_how", "merge_type"} {
				cfg, problems := Merge([]userdata.Part{cloudConfig("1", tt.base), cloudConfig("2", strings.Replace(with, "merge_how", key, 1))}, nil, nil, nil)
				if len(problems) > 0 {
					t.Fatal(problems)
				}
				if !same(cfg.User, want) {
					t.Error(cmp.Diff(asJSON(want), asJSON(cfg.User)))
				}
			}
			if strings.HasPrefix(tt.how, "[") {
				return
			}
			part := cloudConfig("2", tt.with)
			part.MergeType = strings.Trim(tt.how, "'")
			cfg, _ := Merge([]userdata.Part{cloudConfig("1", tt.base), part}, nil, nil, nil)
			if !same(cfg.User, want) {
				t.Errorf("by header: %s", cmp.Diff(asJSON(want), asJSON(cfg.User)))
			}
		})
	}
}

// Rules in the text come before those of the header; for a kind that both
// name, the text's counts.
func TestMergeHeaderAfterText(t *testing.T) {
	part := cloudConfig("2", "merge_how: dict(recurse_list)\na: [2]\n")
	part.MergeType = "dict(replace)+list(append)"
	cfg, problems := Merge([]userdata.Part{cloudConfig("1", "a: [1]"), part}, nil, nil, nil)
	want, _ := parse("a: [1, 2]")
	if !same(cfg.User, want) || len(problems) > 0 {
		t.Error(problems, cmp.Diff(asJSON(want), asJSON(cfg.User)))
	}
}

func TestLayers(t *testing.T) {
	base := []plan.Document{
		{Path: "/etc/cloud/cloud.cfg", Body: []byte("disable_root: true\nsystem_info: {default_user: {name: a, shell: s}}\nlist: [base]\n")},
		{Path: "/etc/cloud/cloud.cfg.d/1.cfg", Body: []byte("system_info: {default_user: {name: b}}\n")},
		{Path: "/etc/cloud/cloud.cfg.d/2.cfg", Body: []byte("- not a mapping\n")},
	}
	cfg, problems := Merge(
		[]userdata.Part{cloudConfig("u", "x: user\nm: {a: user}\n")},
		[]userdata.Part{cloudConfig("v", "x: vendor\nm: {a: vendor, b: vendor}\nw: vendor\nlist: [vendor]\n")},
		[]userdata.Part{cloudConfig("v2", "w: vendor2\n")}, base)
	want, _ := parse("x: user\nm: {a: user, b: vendor}\nw: vendor2\nlist: [vendor]\nsystem_info: {default_user: {name: b, shell: s}}\ndisable_root: true\n")
	if !same(cfg.Root, want) {
		t.Error(cmp.Diff(asJSON(want), asJSON(cfg.Root)))
	}
	if len(problems) != 1 || problems[0].Origin != "/etc/cloud/cloud.cfg.d/2.cfg" {
		t.Errorf("problems: %v", problems)
	}
	if line := cfg.Get("system_info").Get("default_user").Get("name").Pos; line.Origin != "/etc/cloud/cloud.cfg.d/1.cfg" || line.Line != 1 {
		t.Errorf("place %+v", line)
	}
}

func TestVendorAndUserMayBeRefused(t *testing.T) {
	user := []userdata.Part{cloudConfig("u", "a: user\nvendor_data: {enabled: false}\n")}
	vendor := []userdata.Part{cloudConfig("v", "b: vendor\n")}
	cfg, _ := Merge(user, vendor, vendor, nil)
	if cfg.Get("b").Text != "vendor" {
		t.Error("vendor_data turned vendor_data2 off")
	}
	cfg, _ = Merge(user, vendor, nil, nil)
	if cfg.Root.Has("b") {
		t.Error("vendor_data was not turned off")
	}
	cfg, problems := Merge(user, vendor, nil, []plan.Document{{Path: "c", Body: []byte("allow_userdata: no")}})
	if cfg.Root.Has("a") || cfg.Get("b").Text != "vendor" || len(problems) != 1 {
		t.Errorf("user-data counts though it is not allowed: %v", problems)
	}
}

func TestPatch(t *testing.T) {
	tests := []struct{ name, patch, want string }{
		{"add key", `[{"op":"add","path":"/z","value":{"q":1}}]`, "a: {b: [1, 2]}\nz: {q: 1}"},
		{"add to list", `[{"op":"add","path":"/a/b/1","value":9}]`, "a: {b: [1, 9, 2]}"},
		{"add at end", `[{"op":"add","path":"/a/b/-","value":9}]`, "a: {b: [1, 2, 9]}"},
		{"replace", `[{"op":"replace","path":"/a/b/0","value":"x"}]`, "a: {b: [x, 2]}"},
		{"remove", `[{"op":"remove","path":"/a/b/0"}]`, "a: {b: [2]}"},
		{"move", `[{"op":"move","from":"/a/b","path":"/c~1d"}]`, "a: {}\nc/d: [1, 2]"},
		{"copy", `[{"op":"copy","from":"/a/b/1","path":"/c"}]`, "a: {b: [1, 2]}\nc: 2"},
		{"test holds", `[{"op":"test","path":"/a","value":{"b":[1,2]}},{"op":"remove","path":"/a/b"}]`, "a: {}"},
		{"test fails", `[{"op":"remove","path":"/a/b"},{"op":"test","path":"/a","value":1}]`, ""},
		{"replace what is not there", `[{"op":"replace","path":"/q","value":1}]`, ""},
		{"remove what is not there", `[{"op":"remove","path":"/a/x"}]`, ""},
		{"index out of range", `[{"op":"add","path":"/a/b/3","value":1}]`, ""},
		{"leading zero", `[{"op":"replace","path":"/a/b/01","value":1}]`, ""},
		{"no value", `[{"op":"add","path":"/q"}]`, ""},
		{"unknown", `[{"op":"frob","path":"/q"}]`, ""},
		{"not a list", `{"op":"add"}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			patch := userdata.Part{Name: "p", Type: userdata.TypeCloudConfigJSONP, Body: []byte("#cloud-config-jsonp\n" + tt.patch)}
			cfg, problems := Merge([]userdata.Part{cloudConfig("1", "a: {b: [1, 2]}"), patch}, nil, nil, nil)
			want, _ := parse(tt.want)
			if tt.want == "" {
				want, _ = parse("a: {b: [1, 2]}")
			}
			if !same(cfg.User, want) || (len(problems) > 0) != (tt.want == "") {
				t.Error(problems, cmp.Diff(asJSON(want), asJSON(cfg.User)))
			}
		})
	}
}

// Each operation copies what it changes, so that there may not be any number.
func TestPatchIsBounded(t *testing.T) {
	for _, n := range []int{maxPatch, maxPatch + 1} {
		op := `{"op": "add", "path": "/a", "value": 1},`
		patch := userdata.Part{Name: "1", Type: userdata.TypeCloudConfigJSONP, Origin: "user-data",
			Body: []byte("#cloud-config-jsonp\n[" + strings.TrimSuffix(strings.Repeat(op, n), ",") + "]")}
		cfg, problems := Merge([]userdata.Part{patch}, nil, nil, nil)
		if refused := len(problems) == 1 && strings.Contains(problems[0].Message, "at most 4096"); refused != (n > maxPatch) || (cfg.Get("a").Kind == Absent) != refused {
			t.Errorf("%d operations: %v", n, problems)
		}
	}
}

// Lists may be appended to themselves only so often.
func TestMergeIsBounded(t *testing.T) {
	var parts []userdata.Part
	parts = append(parts, cloudConfig("0", "a: ["+strings.Repeat("1,", 20_000)+"]"))
	for range 11 {
		parts = append(parts, cloudConfig("n", "merge_how: dict(recurse_list)+list(append)\na: ["+strings.Repeat("1,", 20_000)+"]"))
	}
	cfg, problems := Merge(parts, nil, nil, nil)
	if n := len(cfg.Get("a").List); n > maxNodes || len(problems) == 0 {
		t.Errorf("%d values, problems %v", n, problems)
	}
}

func TestKnown(t *testing.T) {
	for _, tt := range []struct {
		key            string
		handled, known bool
		suggestion     string
	}{
		{"write_files", true, true, ""},
		{"merge_how", true, true, ""},
		{"snap", false, true, ""},
		{"write_file", false, false, "write_files"},
		{"runcommand", false, false, ""},
		{"ssh-authorized-keys", false, false, "ssh_authorized_keys"},
		{"qqqqqqq", false, false, ""},
	} {
		if h, k, s := Known(tt.key); h != tt.handled || k != tt.known || s != tt.suggestion {
			t.Errorf("Known(%q) = %t, %t, %q", tt.key, h, k, s)
		}
	}
}

// A configuration of nothing asks for nothing, and is no trap.
func TestZeroConfig(t *testing.T) {
	if r := Plan(Context{}, Config{}); len(r.Steps)+len(r.Problems) > 0 {
		t.Errorf("%+v", r)
	}
}
