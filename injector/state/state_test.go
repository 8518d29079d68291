package state

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boothook/injector/plan"
	"boothook/netboot/instance"
)

// A fakeRoot is a root in memory: bodies by path, and links by path as
// "-> TARGET". Directories are where files are.
type fakeRoot map[string]string

func (r fakeRoot) ReadFileMax(path string, limit int64) ([]byte, error) {
	body, ok := r[path]
	switch {
	case !ok && r.Exists(path):
		return nil, errors.New("is a directory")
	case !ok:
		return nil, fmt.Errorf("open %s: %w", path, fs.ErrNotExist)
	case int64(len(body)) > limit:
		return nil, errors.New("too big")
	}
	if target, ok := strings.CutPrefix(body, "-> "); ok {
		return r.ReadFileMax(target, limit)
	}
	return []byte(body), nil
}

func (r fakeRoot) ReadLink(path string) (string, error) {
	if target, ok := strings.CutPrefix(r[path], "-> "); ok {
		return target, nil
	}
	return "", errors.New("not a link")
}

func (r fakeRoot) ReadDir(dir string) ([]string, error) {
	seen := map[string]bool{}
	for path := range r {
		if rest, ok := strings.CutPrefix(path, dir+"/"); ok {
			name, _, _ := strings.Cut(rest, "/")
			seen[name] = true
		}
	}
	if len(seen) == 0 {
		return nil, fs.ErrNotExist
	}
	var names []string
	for name := range seen {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

func (r fakeRoot) Exists(path string) bool {
	if _, ok := r[path]; ok {
		return true
	}
	_, err := r.ReadDir(path)
	return err == nil
}

// apply does to the root what steps ask for.
func (r fakeRoot) apply(steps []plan.Step) {
	for _, s := range steps {
		_, there := r[s.Path]
		switch s.Kind {
		case plan.File:
			if !there || !s.KeepExisting {
				r[s.Path] = string(s.Body)
			}
		case plan.Link:
			r[s.Path] = "-> " + s.Target
		case plan.Remove:
			delete(r, s.Path)
		}
	}
}

func (r fakeRoot) clone() fakeRoot {
	c := fakeRoot{}
	for k, v := range r {
		c[k] = v
	}
	return c
}

func content(id string) *Content {
	return &Content{
		Instance: instance.Instance{
			Source: "ec2", Platform: "aws", ID: id, HardwareID: "uuid-of-" + id, Hostname: "h",
			PublicKeys: []string{"ssh-ed25519 AAAA"}, MetaData: map[string]any{"region": "x"},
			UserData: []byte("#!/bin/sh\n\xff\x00"), VendorData: []byte("#cloud-config\n"),
		},
		Processed: []byte("MIME"), CloudConfig: []byte("#cloud-config\n{}\n"), Hooks: true,
	}
}

// boot does a whole boot as the instance and gives what was decided and done.
func boot(t *testing.T, r fakeRoot, id string, again Again) (*Decision, []plan.Step) {
	t.Helper()
	return bootAs(t, r, id, again, func(*Content) {})
}

// bootAs is boot with a change to what the instance asks for.
func bootAs(t *testing.T, r fakeRoot, id string, again Again, change func(*Content)) (*Decision, []plan.Step) {
	t.Helper()
	k := Read(r)
	d, err := Decide(k, id, again)
	if err != nil {
		t.Fatal(err)
	}
	c := content(id)
	change(c)
	steps := Layout(d, c)
	steps = append(steps, Renew(d, k, false, strings.Repeat("f", 32), nil)...)
	end, err := Finish(d, k, c)
	if err != nil {
		t.Fatal(err)
	}
	steps = append(steps, end...)
	r.apply(steps)
	return d, steps
}

// image is a Debian as it was used before it became an image.
func image() fakeRoot {
	return fakeRoot{
		"/etc/machine-id":               strings.Repeat("a", 32) + "\n",
		"/var/lib/dbus/machine-id":      "-> /etc/machine-id",
		"/etc/ssh/ssh_host_rsa_key":     "old",
		"/etc/ssh/ssh_host_rsa_key.pub": "old",
		"/etc/ssh/sshd_config":          "keep",
		"/var/lib/systemd/random-seed":  "seed",
	}
}

func TestLife(t *testing.T) {
	r := image()
	for i, life := range []struct {
		id                              string
		again                           Again
		new, changed, instance, unended bool
		machineID, previous             string
	}{
		{"i-1", AgainInstance, true, false, true, false, "a", noPrevious},
		{"i-1", AgainInstance, false, false, false, false, "a", noPrevious},
		{"i-1", AgainBoot, false, false, true, false, "a", noPrevious},
		{"i-2", AgainInstance, true, true, true, false, "f", "i-1"},
		{"i-2", AgainInstance, false, false, false, false, "f", "i-1"},
		{"i-1", AgainInstance, true, true, true, false, "f", "i-2"},
	} {
		d, _ := boot(t, r, life.id, life.again)
		got := []bool{d.New, d.Changed, d.PerInstance, d.Unfinished}
		if want := []bool{life.new, life.changed, life.instance, life.unended}; !slices.Equal(got, want) {
			t.Errorf("boot %d: got %v, want %v", i, got, want)
		}
		if got := r["/etc/machine-id"]; got != strings.Repeat(life.machineID, 32)+"\n" {
			t.Errorf("boot %d: machine-id %q", i, got)
		}
		if got := r["/var/lib/cloud/data/previous-instance-id"]; got != life.previous+"\n" {
			t.Errorf("boot %d: previous %q", i, got)
		}
		if got := r[InstanceLink]; got != "-> /var/lib/cloud/instances/"+life.id {
			t.Errorf("boot %d: link %q", i, got)
		}
	}
	if _, ok := r["/etc/ssh/ssh_host_rsa_key"]; ok {
		t.Error("the host keys of another instance are still there")
	}
	if r["/etc/ssh/sshd_config"] != "keep" {
		t.Error("what is no host key is gone")
	}
	for _, id := range []string{"i-1", "i-2"} {
		if _, ok := r[InstanceDir(id)+"/user-data.txt"]; !ok {
			t.Errorf("old instance %s was not kept", id)
		}
	}
}

// TestSecondBootIsTheSame: applied to its own result, a plan changes nothing.
func TestSecondBootIsTheSame(t *testing.T) {
	r := image()
	boot(t, r, "i-1", AgainInstance)
	before := r.clone()
	boot(t, r, "i-1", AgainInstance)
	if diff := cmp.Diff(before, r); diff != "" {
		t.Error(diff)
	}
}

// TestInterrupted: wherever a plan ends early, the next boot finishes it, and
// the identity of the instance is not renewed a second time once it holds.
func TestInterrupted(t *testing.T) {
	_, steps := boot(t, image(), "i-1", AgainInstance)
	for n := range steps {
		r := image()
		r.apply(steps[:n])
		d, _ := boot(t, r, "i-1", AgainInstance)
		if !d.PerInstance || d.Changed {
			t.Errorf("after %d of %d steps: %+v", n, len(steps), d)
		}
		if !Read(r).Applied("uuid-of-i-1") {
			t.Errorf("after %d of %d steps: not finished by the next boot", n, len(steps))
		}
	}
}

func TestApplied(t *testing.T) {
	r := image()
	if Read(r).Applied("uuid-of-i-1") {
		t.Error("a root that was nobody is applied")
	}
	boot(t, r, "i-1", AgainInstance)
	for sign, want := range map[string]bool{"uuid-of-i-1": true, "uuid-of-clone": false, "": false} {
		if got := Read(r).Applied(sign); got != want {
			t.Errorf("sign %q: %v", sign, got)
		}
	}
	r["/var/lib/cloud/data/instance-id"] = "i-other\n" // by cloud-init, say
	if Read(r).Applied("uuid-of-i-1") {
		t.Error("applied, although the root is another instance")
	}
}

func TestStored(t *testing.T) {
	r := image()
	if _, ok := Read(r).Stored(); ok {
		t.Error("stored data of nobody")
	}
	boot(t, r, "i-1", AgainInstance)
	got, ok := Read(r).Stored()
	if want := content("i-1").Instance; !ok || !cmp.Equal(got, want) {
		t.Errorf("%v %s", ok, cmp.Diff(want, got))
	}
	r[InstanceDir("i-1")+"/user-data.txt"] = "" // a power cut
	k := Read(r)
	if got, _ := k.Stored(); got.UserData != nil || string(got.VendorData) != "#cloud-config\n" {
		t.Errorf("%q %q", got.UserData, got.VendorData)
	}
	want := "/var/lib/cloud/instances/i-1/user-data.txt: stored data are not those that were applied"
	if len(k.Problems) != 1 || k.Problems[0].String() != want {
		t.Error(k.Problems)
	}
}

// TestDamage: damaged state is reported and makes no new instance by itself.
func TestDamage(t *testing.T) {
	for name, c := range map[string]struct {
		damage  func(fakeRoot)
		new     bool
		unended bool
		problem string
	}{
		"empty instance-id": {
			func(r fakeRoot) { r["/var/lib/cloud/data/instance-id"] = "" }, false, false,
			"/var/lib/cloud/data/instance-id: damaged: state: unusable instance-id: empty",
		},
		"instance-id of zeros": {
			func(r fakeRoot) { r["/var/lib/cloud/data/instance-id"] = "\x00\x00\x00\x00" }, false, false,
			"/var/lib/cloud/data/instance-id: damaged: state: unusable instance-id: \"\\x00\\x00\\x00\\x00\" holds a control character",
		},
		"huge instance-id": {
			func(r fakeRoot) { r["/var/lib/cloud/data/instance-id"] = strings.Repeat("x", 5000) }, false, false,
			"/var/lib/cloud/data/instance-id: cannot be read: too big",
		},
		"empty record": {
			func(r fakeRoot) { r[recordPath] = "" }, false, true,
			"/var/lib/boothook/instance.json: damaged: decode record: unexpected end of JSON input",
		},
		"record of the future": {
			func(r fakeRoot) { r[recordPath] = `{"version": 2}` }, false, true,
			"/var/lib/boothook/instance.json: damaged: record of version 2, this is for 1",
		},
		"id and link": {
			func(r fakeRoot) { r["/var/lib/cloud/data/instance-id"], r[InstanceLink] = "\n", "-> /etc" }, true, false,
			"/var/lib/cloud/data/instance-id: damaged: state: unusable instance-id: empty",
		},
		"cleaned": {
			func(r fakeRoot) {
				for path := range r {
					if strings.HasPrefix(path, CloudDir) {
						delete(r, path)
					}
				}
			}, true, false,
			"/var/lib/cloud/instances/i-1/user-data.txt: stored data are gone",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := image()
			boot(t, r, "i-1", AgainInstance)
			c.damage(r)
			k := Read(r)
			d, err := Decide(k, "i-1", AgainInstance)
			if err != nil || d.New != c.new || d.Unfinished != c.unended || d.Changed {
				t.Errorf("%+v, %v", d, err)
			}
			if len(k.Problems) == 0 || k.Problems[0].String() != c.problem {
				t.Errorf("got %v\nwant %s", k.Problems, c.problem)
			}
		})
	}
}

// TestClonedAndCleaned: an image made of a used root, with cloud-init clean,
// is another machine all the same.
func TestClonedAndCleaned(t *testing.T) {
	r := image()
	boot(t, r, "i-1", AgainInstance)
	delete(r, "/var/lib/cloud/data/instance-id")
	d, _ := boot(t, r, "i-2", AgainInstance)
	if !d.New || !d.Changed || !strings.HasPrefix(r["/etc/machine-id"], "ff") {
		t.Errorf("%+v %q", d, r["/etc/machine-id"])
	}
}

// TestByCloudInit: what cloud-init did for this instance is not done again.
func TestByCloudInit(t *testing.T) {
	r := fakeRoot{
		"/var/lib/cloud/data/instance-id":               "i-1\n",
		"/var/lib/cloud/instances/i-1/sem/consume_data": "1234: 1600000000.0\n",
	}
	for _, id := range []string{"i-1", "i-2"} {
		d, err := Decide(Read(r), id, AgainInstance)
		if err != nil || d.PerInstance != (id == "i-2") || d.Unfinished {
			t.Errorf("%s: %+v, %v", id, d, err)
		}
	}
}

func TestMachineID(t *testing.T) {
	for body, replaced := range map[string]bool{
		"":                             false,
		"uninitialized\n":              false,
		"nonsense\n":                   false,
		strings.Repeat("a", 32) + "\n": true,
	} {
		r := image()
		r["/etc/machine-id"] = body
		r["/var/lib/dbus/machine-id"] = strings.Repeat("a", 32)
		boot(t, r, "i-1", AgainInstance)
		if r["/etc/machine-id"] != body {
			t.Errorf("%q was replaced in a root that was no instance", body)
		}
		_, steps := boot(t, r, "i-2", AgainInstance)
		if got := r["/etc/machine-id"] == strings.Repeat("f", 32)+"\n"; got != replaced {
			t.Errorf("%q: replaced: %v", body, got)
		}
		if got := r["/var/lib/dbus/machine-id"] == strings.Repeat("f", 32)+"\n"; got != replaced {
			t.Errorf("%q: D-Bus's replaced: %v", body, got)
		}
		for _, s := range steps {
			if s.Path == "/etc/machine-id" && s.Mode != 0o444 {
				t.Errorf("mode %o", s.Mode)
			}
		}
	}
	id, err := NewMachineID()
	other, _ := NewMachineID()
	if err != nil || len(id) != 32 || id == other || id[12] != '4' || strings.Trim(id, "0123456789abcdef") != "" {
		t.Error(id, other, err)
	}
}

func TestRenewKeepsWhatIsWritten(t *testing.T) {
	k := Read(image())
	d, _ := Decide(k, "i-1", AgainInstance)
	rest := []plan.Step{{Kind: plan.File, Path: "/etc/ssh/ssh_host_rsa_key"}}
	steps := Renew(d, k, false, "", rest)
	if len(steps) != 1 || steps[0].Path != "/etc/ssh/ssh_host_rsa_key.pub" {
		t.Errorf("%+v", steps)
	}
	if steps := Renew(d, k, true, "", nil); len(steps) != 0 {
		t.Errorf("ssh_deletekeys: false: %+v", steps)
	}
}

func TestSelect(t *testing.T) {
	steps := []plan.Step{
		{Path: "/boot", Frequency: plan.PerBoot},
		{Path: "/instance"},
		{Path: "/once", Frequency: plan.Once, Why: plan.Why{Part: "part-001", Key: "some-thing"}},
		{Path: "/once2", Frequency: plan.Once, Why: plan.Why{Part: strings.Repeat("long", 100)}},
	}
	paths := func(steps []plan.Step) (s []string) {
		for _, step := range steps {
			s = append(s, step.Path)
		}
		return s
	}
	r := fakeRoot{}
	d, _ := Decide(Read(r), "i-1", AgainInstance)
	first := d.Select(steps)
	if got := paths(first); len(got) != 6 || got[4] != "/var/lib/cloud/sem/config_some_thing.once" {
		t.Errorf("first boot: %v", got)
	}
	r.apply(first)
	d, _ = Decide(Read(r), "i-2", AgainInstance)
	if got := paths(d.Select(steps)); !slices.Equal(got, []string{"/boot", "/instance"}) {
		t.Errorf("new instance: %v", got)
	}
	d, _ = Decide(Read(r), "i-2", AgainBoot)
	if got := d.Select(steps); len(got) != 6 {
		t.Errorf("again: %v", paths(got))
	}
	if got := (&Decision{}).Select(steps); got != nil {
		t.Errorf("nobody: %v", paths(got))
	}
}

func TestSafeID(t *testing.T) {
	for id, want := range map[string]string{
		"i-0123": "i-0123", "a/b": "a_b", "../../etc": ".._.._etc", "iid with space": "iid with space", "ünï": "ünï", " i-1\n": "i-1",
		"": "", ".": "", "..": "", "a\nb": "", "a\x00": "", "\xff": "", strings.Repeat("x", 256): "",
	} {
		got, err := SafeID(id)
		if got != want || (err == nil) != (want != "") || err != nil && !errors.Is(err, ErrBadID) {
			t.Errorf("%q: %q, %v", id, got, err)
		}
	}
}

// TestFileName has the cases that were observed of cloud-init.
func TestFileName(t *testing.T) {
	for name, want := range map[string]string{
		"../../etc/cron.d/evil": ".._.._etc_cron.d_evil", "/etc/passwd": "_etc_passwd", "a b c.sh": "abc.sh",
		"ünï.sh": "n.sh", ".hidden": ".hidden", "..": "", "": "", "é": "", strings.Repeat("x", 300): "",
	} {
		got, err := FileName(name)
		if got != want || (err == nil) != (want != "") || err != nil && !errors.Is(err, ErrBadName) {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
}

func TestSeed(t *testing.T) {
	for _, tt := range []struct {
		name string
		root fakeRoot
		want map[string][]byte
	}{
		{"none", fakeRoot{"/var/lib/cloud/seed/other/user-data": "no", "/var/lib/cloud/seed/nocloud/network-config": "no"}, nil},
		{"the first as a whole", fakeRoot{
			"/var/lib/cloud/seed/nocloud/user-data":      "#!/bin/sh\n",
			"/var/lib/cloud/seed/nocloud/vendor-data":    "v",
			"/var/lib/cloud/seed/nocloud-net/meta-data":  "instance-id: y\n",
			"/var/lib/cloud/seed/nocloud/something-else": "no",
		}, map[string][]byte{"user-data": []byte("#!/bin/sh\n"), "vendor-data": []byte("v")}},
		{"the second", fakeRoot{"/var/lib/cloud/seed/nocloud-net/meta-data": "instance-id: y\n"}, map[string][]byte{"meta-data": []byte("instance-id: y\n")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, Seed(tt.root, "")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A directory that stands for a volume is read with all that is below it, up to
// bounds, and what is beyond them is named.
func TestTree(t *testing.T) {
	many := fakeRoot{}
	for i := range maxTreeFiles + 3 {
		many[fmt.Sprintf("/many/%04d", i)] = ""
	}
	for _, tt := range []struct {
		name, dir string
		root      fakeRoot
		want      int
		problem   string
	}{
		{name: "none", dir: "seed/x", root: fakeRoot{"/var/lib/cloud/seed/y/f": ""}},
		{name: "below the seeds", dir: "seed/x", root: fakeRoot{"/var/lib/cloud/seed/x/a": "", "/var/lib/cloud/seed/x/b/c": ""}, want: 2},
		{name: "on Ubuntu Core", dir: "seed/x", root: fakeRoot{"/writable/system-data/var/lib/cloud/seed/x/a": ""}, want: 1},
		{name: "by its whole path", dir: "/x", root: fakeRoot{"/x/a": "", "/var/lib/cloud/x/b": ""}, want: 1},
		{name: "too deep", dir: "/x", root: fakeRoot{"/x/1/2/3/4/5/6/f": ""}, problem: "/x/1/2/3/4/5: is too deep"},
		{name: "too many", dir: "/many", root: many, want: maxTreeFiles, problem: "/many/0256: is one file too many"},
		{name: "too large", dir: "/x", root: fakeRoot{"/x/a": strings.Repeat("x", maxTree-1), "/x/b": "yy", "/x/c": "z"}, want: 2, problem: "/x/b: cannot be read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files, problems := Tree(tt.root, tt.dir)
			if len(files) != tt.want {
				t.Errorf("%d files, want %d", len(files), tt.want)
			}
			if tt.problem == "" && len(problems) > 0 || tt.problem != "" && (len(problems) != 1 || !strings.Contains(problems[0].String(), tt.problem)) {
				t.Errorf("problems %v", problems)
			}
		})
	}
}

func TestTooMuchMetaData(t *testing.T) {
	c := content("i-1")
	c.Instance.MetaData["big"] = strings.Repeat("x", MaxRecord)
	if _, err := Finish(&Decision{ID: "i-1"}, &Known{}, c); err == nil {
		t.Error("no error")
	}
}

// TestSettled is the known-instance rule: what of a root's record lets a boot
// leave the source unasked.
func TestSettled(t *testing.T) {
	base := Base([]plan.Document{{Path: "/etc/cloud/cloud.cfg", Body: []byte("a: 1\n")}})
	for name, c := range map[string]struct {
		change     func(fakeRoot)
		hooks      bool
		sign, base string
		want       bool
	}{
		"without hooks":                {sign: "uuid-of-i-1", base: base, want: true},
		"with hooks":                   {hooks: true, sign: "uuid-of-i-1", base: base},
		"a clone":                      {sign: "uuid-of-clone", base: base},
		"a machine without a sign":     {base: base},
		"cloud.cfg has changed":        {sign: "uuid-of-i-1", base: Base(nil)},
		"the root became somebody":     {func(r fakeRoot) { r["/var/lib/cloud/data/instance-id"] = "i-2\n" }, false, "uuid-of-i-1", base, false},
		"the root was cleaned":         {func(r fakeRoot) { delete(r, "/var/lib/cloud/data/instance-id") }, false, "uuid-of-i-1", base, false},
		"the record is damaged":        {func(r fakeRoot) { r[recordPath] = "{" }, false, "uuid-of-i-1", base, false},
		"the record is gone":           {func(r fakeRoot) { delete(r, recordPath) }, false, "uuid-of-i-1", base, false},
		"stored data are not the same": {func(r fakeRoot) { r[InstanceDir("i-1")+"/user-data.txt"] = "" }, false, "uuid-of-i-1", base, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := image()
			bootAs(t, r, "i-1", AgainInstance, func(content *Content) { content.Hooks, content.Base = c.hooks, base })
			if c.change != nil {
				c.change(r)
			}
			if got := Read(r).Settled(c.sign, c.base); got != c.want {
				t.Errorf("settled: %v", got)
			}
		})
	}
}

// TestHint: the hint in the root is there for an instance without hooks only,
// and tells nobody the sign.
func TestHint(t *testing.T) {
	r := image()
	hooks := func(yes bool) func(*Content) { return func(c *Content) { c.Hooks = yes } }
	for i, life := range []struct {
		id    string
		hooks bool
		want  string
	}{
		{"i-1", true, ""},
		{"i-1", false, Hint("uuid-of-i-1") + "\n"},
		{"i-2", false, Hint("uuid-of-i-2") + "\n"},
		{"i-2", true, ""},
	} {
		bootAs(t, r, life.id, AgainInstance, hooks(life.hooks))
		if got := r[HintPath]; got != life.want {
			t.Errorf("boot %d: %q, want %q", i, got, life.want)
		}
	}
	got := Hint("product_uuid=x")
	if len(got) != 64 || strings.Trim(got, "0123456789abcdef") != "" || got == Hint("product_uuid=y") || got == fingerprint([]byte("product_uuid=x")) {
		t.Errorf("hint %q", got)
	}
	if Hint("") != "" {
		t.Error("a machine without a sign has a hint")
	}
}
