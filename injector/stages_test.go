package injector

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"boothook/injector/cloudconfig"
	"boothook/injector/hooks"
	"boothook/injector/plan"
	"boothook/injector/root"
	"boothook/injector/state"
	"boothook/injector/userdata"
	"boothook/netboot/instance"
)

// A fakeRunner notes which hooks it was given.
type fakeRunner struct {
	configs []hooks.Config
	lists   [][]hooks.Hook
	result  hooks.Result
	prints  string
}

func (f *fakeRunner) Run(_ context.Context, c hooks.Config, list []hooks.Hook) []hooks.Result {
	f.configs, f.lists = append(f.configs, c), append(f.lists, list)
	if c.Output != nil {
		c.Output.Write([]byte(f.prints))
	}
	return slices.Repeat([]hooks.Result{f.result}, len(list))
}

func part(index int, kind, body string) userdata.Part {
	return userdata.Part{Index: index, Name: "part", Type: kind, Body: []byte(body), Origin: "user-data"}
}

// TestRunHooks: the handlers of each document run before all boothooks, those
// in their order, bootcmd last; what a handler took no longer is a hook; and
// what was decoded stays as it was.
func TestRunHooks(t *testing.T) {
	config, _ := cloudconfig.Merge([]userdata.Part{part(1, userdata.TypeCloudConfig, "bootcmd: [[date]]\n")}, nil, nil, nil)
	docs := &decoded{config: config, parts: parts{
		user: {part(1, userdata.TypePartHandler, "h"), part(2, userdata.TypeBoothook, "#!/taken\n"), part(3, userdata.TypeBoothook, "#!/user\n")},
		vendor: {part(1, userdata.TypeBoothook, "#!/vendor\n"),
			{Index: 2, Type: userdata.TypeBoothook, Body: []byte("#!/bad\n"), Err: errors.New("bad")}},
	}}
	run := &fakeRunner{result: hooks.Result{Taken: []int{2}, Status: 1}}
	var began []string
	o := &Options{Hooks: run, HookTimeout: 7, ResolvConf: []byte("r"), HookOutput: &strings.Builder{},
		Stage: func(stage string, within time.Duration) { began = append(began, stage+" "+within.String()) }}
	who := &identity{instance: &instance.Instance{ID: "i/1"}, decision: state.Decision{PerInstance: true}}
	out := runHooks(t.Context(), "/sysroot", who, docs, o)

	var ran []string
	for _, list := range run.lists {
		for _, h := range list {
			ran = append(ran, string(h.Kind)+" "+strings.TrimSpace(string(h.Body)))
		}
		ran = append(ran, "--")
	}
	want := []string{"part-handlers ", "--", "boothook #!/user", "boothook #!/vendor", "bootcmd " + strings.TrimSpace(string(cloudconfig.Bootcmd(config))), "--"}
	if diff := cmp.Diff(want, ran); diff != "" {
		t.Errorf("ran (-want +got):\n%s", diff)
	}
	if h := run.lists[0][0]; h.Frequency != "once-per-instance" {
		t.Errorf("handlers are called %q", h.Frequency)
	}
	for _, c := range run.configs {
		if c.Root != "/sysroot" || c.InstanceID != "i/1" || c.Timeout != 7 || string(c.ResolvConf) != "r" || c.Output != o.HookOutput {
			t.Errorf("config %+v", c)
		}
	}
	if len(out.parts[user]) != 2 || len(docs.parts[user]) != 3 || len(out.results) != 4 || len(out.problems) != 4 {
		t.Errorf("left %d of %d parts, %d results, problems %v", len(out.parts[user]), len(docs.parts[user]), len(out.results), out.problems)
	}
	if diff := cmp.Diff([]string{"running hooks " + hooks.Budget(5, 7).String()}, began); diff != "" {
		t.Errorf("began (-want +got):\n%s", diff)
	}
}

// TestNoHooksRun: a dry run and an image that is not booted run none.
func TestNoHooksRun(t *testing.T) {
	docs := &decoded{parts: parts{user: {part(1, userdata.TypeBoothook, "#!/x\n")}}}
	who := &identity{instance: &instance.Instance{ID: "i-1"}}
	for _, o := range []*Options{{DryRun: true}, {NoHooks: true}} {
		run := &fakeRunner{}
		o.Hooks = run
		out := runHooks(t.Context(), "/", who, docs, o)
		if len(run.lists) > 0 || len(out.problems) > 0 != o.NoHooks || len(out.parts[user]) != 1 {
			t.Errorf("%+v: %d lists ran, problems %v", o, len(run.lists), out.problems)
		}
	}
}

// TestHostKeys: the root's ssh-keygen runs once, when the first key is asked
// for, and makes the kinds that the configuration names.
func TestHostKeys(t *testing.T) {
	config, _ := cloudconfig.Merge([]userdata.Part{part(1, userdata.TypeCloudConfig, "ssh_genkeytypes: [ed25519, dsa]\n")}, nil, nil, nil)
	run := &fakeRunner{result: hooks.Result{Status: 9}, prints: "\nkey ed25519\n-----BEGIN OPENSSH PRIVATE KEY-----\nx\n-----END OPENSSH PRIVATE KEY-----\nssh-ed25519 A\n"}
	keys := newHostKeys(t.Context(), "/sysroot", &instance.Instance{ID: "i-1", Hostname: "a'b\n.c-0"}, config, &Options{Hooks: run})
	if len(run.lists) > 0 {
		t.Error("ran before a key was asked for")
	}
	pair, err := keys.pair("ed25519")
	if err != nil || string(pair.Public) != "ssh-ed25519 A\n" {
		t.Errorf("%q, %v", pair.Public, err)
	}
	if _, err := keys.pair("rsa"); !errors.Is(err, errNoKeygen) {
		t.Errorf("rsa: %v", err)
	}
	if len(run.lists) != 1 || len(keys.problems) != 1 || run.configs[0].Root != "/sysroot" || run.configs[0].InstanceID != "i-1" {
		t.Fatalf("%d runs, problems %v, config %+v", len(run.lists), keys.problems, run.configs)
	}
	if script := string(run.lists[0][0].Body); !strings.Contains(script, "for kind in ed25519; do") || !strings.Contains(script, "-C 'root@ab.c-0'") {
		t.Errorf("script:\n%s", script)
	}
	for name, c := range map[string]struct {
		options Options
		err     error
		public  string
	}{
		"a dry run":   {Options{DryRun: true}, errAtBoot, ""},
		"no hooks":    {Options{NoHooks: true}, errAtBoot, ""},
		"a key maker": {Options{DryRun: true, NewHostKey: func(kind, comment string) ([]byte, []byte, error) { return nil, []byte(kind + comment), nil }}, nil, "rsaroot@localhost"},
	} {
		keys := newHostKeys(t.Context(), "/", &instance.Instance{Hostname: "''"}, config, &c.options)
		if pair, err := keys.pair("rsa"); !errors.Is(err, c.err) || string(pair.Public) != c.public {
			t.Errorf("%s: %q, %v", name, pair.Public, err)
		}
	}
}

// A brokenFacts is a root whose facts cannot be read, or whose init is another.
type brokenFacts struct {
	err  error
	init plan.Init
}

func (b brokenFacts) Facts(also ...string) (plan.Facts, error) {
	return plan.Facts{Init: plan.Systemd, Exists: map[string]bool{strings.Join(also, " "): true}}, b.err
}
func (b brokenFacts) InitOf(string) plan.Init { return b.init }

func TestReadFacts(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		root brokenFacts
		init string
		want plan.Init
	}{
		"the root's own init":    {brokenFacts{init: plan.OpenRC}, "", plan.Systemd},
		"another is asked for":   {brokenFacts{init: plan.OpenRC}, "/sbin/openrc-init", plan.OpenRC},
		"a shell is asked for":   {brokenFacts{init: plan.UnknownInit}, "/bin/sh", plan.Systemd},
		"a root nobody can read": {brokenFacts{err: broken}, "", ""},
	} {
		facts, err := readFacts(c.root, c.init, "/a", "/b")
		if !errors.Is(err, c.root.err) || err == nil && (facts.Init != c.want || !facts.Exists["/a /b"]) {
			t.Errorf("%s: %+v, %v", name, facts, err)
		}
	}
}

// A brokenApplier fails with what it had done until then.
type brokenApplier struct{ err error }

func (b brokenApplier) Apply(context.Context, plan.Plan, root.Options) (root.Result, error) {
	return root.Result{Steps: []root.StepResult{{Status: root.Written}}, Problems: problems{{Message: "p"}}}, b.err
}

func (b brokenApplier) Changes(context.Context, plan.Plan, root.Options) ([]plan.Change, root.Result, error) {
	return []plan.Change{{Path: "/x"}}, root.Result{Steps: []root.StepResult{{Status: root.Unchanged}}}, b.err
}

func TestApplyStage(t *testing.T) {
	broken := errors.New("broken")
	for _, fails := range []error{nil, broken} {
		done, err := apply(t.Context(), brokenApplier{fails}, plan.Plan{}, &Options{})
		if !errors.Is(err, fails) || done.steps[0].Status != root.Written || len(done.changes) > 0 || len(done.problems) != 1 {
			t.Errorf("%+v, %v", done, err)
		}
		dry, err := apply(t.Context(), brokenApplier{fails}, plan.Plan{}, &Options{DryRun: true})
		if !errors.Is(err, fails) || dry.steps[0].Status != root.Unchanged || len(dry.changes) != 1 {
			t.Errorf("dry run: %+v, %v", dry, err)
		}
	}
}

// TestRecall is when a root has the last word that nothing is to be asked.
func TestRecall(t *testing.T) {
	yes := func(*instance.Instance) bool { return true }
	plain := instance.Instance{Source: "ec2", ID: "i-1", HardwareID: machine, UserData: []byte("#!/bin/sh\n")}
	hook := plain
	hook.UserData = []byte("#cloud-boothook\n#!/bin/sh\n")
	for name, c := range map[string]struct {
		inst    instance.Instance
		options Options
		mine    func(*instance.Instance) bool
		journal bool
		want    bool
	}{
		"settled":                     {plain, Options{}, yes, false, true},
		"by one of its ids":           {plain, Options{HardwareIDs: []string{"serial=1", machine}}, yes, false, true},
		"another machine":             {plain, Options{HardwareIDs: []string{"uuid=there"}}, yes, false, false},
		"no ids":                      {plain, Options{HardwareIDs: []string{}}, yes, false, false},
		"it would not be found again": {plain, Options{}, func(i *instance.Instance) bool { return i.ID != "i-1" }, false, false},
		"hooks":                       {hook, Options{}, yes, false, false},
		"a dry run":                   {plain, Options{DryRun: true}, yes, false, false},
		"again":                       {plain, Options{AgainEachBoot: true}, yes, false, false},
		"signatures":                  {plain, Options{RequireSigned: true}, yes, false, false},
		"another configuration below": {plain, Options{CloudConfig: "bootcmd: [[date]]\n"}, yes, false, false},
		"an apply was cut short":      {plain, Options{}, yes, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := customizedRoot(t, c.inst)
			if c.options.HardwareIDs == nil {
				c.options.HardwareIDs = []string{machine}
			}
			if c.journal {
				if err := r.WriteFile(root.StateDir+"/journal", []byte("{}"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := Recall(r, &c.options, c.mine); (got != nil) != c.want || got != nil && got.ID != "i-1" {
				t.Errorf("recalled %+v", got)
			}
		})
	}
}

// TestMakePlan: what is in memory alone is due again at each boot, so no hint
// says that there is nothing to ask; and the random seed is the new instance's.
func TestMakePlan(t *testing.T) {
	config, _ := cloudconfig.Merge([]userdata.Part{part(1, userdata.TypeCloudConfig, "random_seed: {data: abc}\n")}, nil, nil, nil)
	for name, c := range map[string]struct {
		per, volatile bool
		parts         parts
		hint, seed    bool
	}{
		"a new instance":  {per: true, hint: true, seed: true},
		"a known one":     {hint: true},
		"a volatile root": {volatile: true},
		"a boothook":      {parts: parts{vendor: {part(1, userdata.TypeBoothook, "#!/x\n")}}},
		"a part handler":  {parts: parts{user: {part(1, userdata.TypePartHandler, "")}}},
	} {
		o := &Options{DryRun: true}
		who := &identity{instance: &instance.Instance{ID: "i-1", HardwareID: machine}, known: &state.Known{},
			decision: state.Decision{ID: "i-1", PerInstance: c.per}}
		docs := &decoded{documents: documents{{}, {}, {}}, config: config}
		keys := newHostKeys(t.Context(), "/", who.instance, config, o)
		due, err := makePlan(&planning{who, docs, c.parts, &plan.Facts{}, keys, pages{}, c.volatile, o})
		if err != nil || (due.hint != "") != c.hint || (len(due.randomSeed) > 0) != c.seed {
			t.Errorf("%s: hint %q, seed %q, %v", name, due.hint, due.randomSeed, err)
		}
	}
}
