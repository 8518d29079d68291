package cloudconfig

import (
	"strings"
	"testing"

	"boothook/injector/plan"
	"boothook/injector/userdata"
)

func TestSeedRandom(t *testing.T) {
	for _, test := range []struct{ config, seed, file, problem string }{
		{"random_seed: {data: some bytes}", "some bytes", "", ""},
		{"random_seed: {data: c29tZQ==, encoding: B64, file: /dev/urandom}", "some", "", ""},
		{"random_seed: {data: x, encoding: raw, file: /var/lib/seed}", "", "/var/lib/seed", ""},
		{"random_seed: {data: x, encoding: rot13}", "", "", "random_seed: encoding is not known"},
		{"random_seed: {file: /dev/urandom}", "", "", ""},
		{"random_seed: {data: [x]}", "", "", "random_seed.data must be a string"},
		{"random_seed: {command: [pollinate]}", "", "", "warning: user-data: p:2: random_seed.command is not run"},
		{"random_seed: {command: [pollinate], command_required: true}", "", "", "random_seed.command is not run"},
	} {
		cfg, problems := Merge([]userdata.Part{{Name: "p", Type: userdata.TypeCloudConfig, Origin: "user-data", Body: []byte("#cloud-config\n" + test.config + "\n")}}, nil, nil, nil)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		got := Plan(Context{InstanceDir: "/i"}, cfg)
		if string(got.RandomSeed) != test.seed {
			t.Errorf("%s: seed %q, want %q", test.config, got.RandomSeed, test.seed)
		}
		file := ""
		for _, s := range got.Steps {
			if s.Kind == plan.File && s.Why.Key == "random_seed" {
				file = s.Path
				if !s.Secret || !s.Append || s.Mode != 0o600 || string(s.Body) != "x" {
					t.Errorf("%s: step %+v", test.config, s)
				}
			}
		}
		if file != test.file {
			t.Errorf("%s: file %q, want %q", test.config, file, test.file)
		}
		said := ""
		for _, p := range got.Problems {
			if p.Warning {
				said += "warning: "
			}
			said += p.String()
		}
		if !strings.Contains(said, test.problem) || (said == "") != (test.problem == "") {
			t.Errorf("%s: problems %q, want %q", test.config, said, test.problem)
		}
	}
}
