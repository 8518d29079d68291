package jobs

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boothook/injector/jobs/upstart"
	"boothook/injector/plan"
	"boothook/injector/userdata"
)

const instanceDir = "/var/lib/cloud/instances/i-1"

func planOf(init plan.Init, parts ...userdata.Part) Result {
	return Plan(Context{Facts: plan.Facts{Init: init}, InstanceDir: instanceDir}, parts, nil)
}

func stepAt(r Result, path string) (plan.Step, bool) {
	for _, s := range r.Steps {
		if s.Path == path {
			return s, true
		}
	}
	return plan.Step{}, false
}

func TestScripts(t *testing.T) {
	tests := []struct {
		name       string
		part       userdata.Part
		path, body string
		mode       uint32
		problem    string
	}{
		{"plain", userdata.Part{Name: "part-001", Type: userdata.TypeScript, Body: []byte("#!/bin/sh\n\xff\x00")},
			instanceDir + "/scripts/part-001", "#!/bin/sh\n\xff\x00", 0o700, ""},
		{"name is cleaned", userdata.Part{Name: "../../etc/cron.d/evil x", Type: userdata.TypeScript, Body: []byte("#!")},
			instanceDir + "/scripts/.._.._etc_cron.d_evilx", "#!", 0o700, ""},
		{"carriage returns", userdata.Part{Name: "a", Type: userdata.TypeScript, Body: []byte("#!/bin/sh\r\nb\r\n")},
			instanceDir + "/scripts/a", "#!/bin/sh\nb\n", 0o700, ""},
		{"carriage returns later on", userdata.Part{Name: "a", Type: userdata.TypeScript, Body: []byte("#!/bin/sh\nb\r\n")},
			instanceDir + "/scripts/a", "#!/bin/sh\nb\r\n", 0o700, ""},
		{"no interpreter", userdata.Part{Name: "a", Type: userdata.TypeScript, Body: []byte("\n#!/bin/sh\n")},
			instanceDir + "/scripts/a", "\n#!/bin/sh\n", 0o600, "does not start with #!"},
		{"per boot", userdata.Part{Name: "../../x.sh", Type: userdata.TypeScriptPerBoot, Body: []byte("#!")},
			"/var/lib/cloud/scripts/per-boot/x.sh", "#!", 0o700, ""},
		{"per once", userdata.Part{Name: "x", Type: userdata.TypeScriptPerOnce, Body: []byte("#!")},
			"/var/lib/cloud/scripts/per-once/x", "#!", 0o700, ""},
		{"no name left", userdata.Part{Name: "..", Type: userdata.TypeScript, Body: []byte("#!")},
			"", "", 0, "the script is lost"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := planOf(plan.Systemd, tt.part)
			s, ok := stepAt(r, tt.path)
			if ok != (tt.path != "") || string(s.Body) != tt.body || s.Mode != tt.mode {
				t.Errorf("step %t %q %o in %+v", ok, s.Body, s.Mode, r.Steps)
			}
			if got := len(r.Problems) > 0; got != (tt.problem != "") {
				t.Errorf("problems: %v", r.Problems)
			} else if got && !strings.Contains(r.Problems[0].Message, tt.problem) {
				t.Errorf("problem %q, want %q", r.Problems[0].Message, tt.problem)
			}
		})
	}
}

func TestSameNameTwice(t *testing.T) {
	r := planOf(plan.Systemd,
		userdata.Part{Name: "a", Type: userdata.TypeScript, Body: []byte("#!1")},
		userdata.Part{Name: "b", Type: userdata.TypeScript, Body: []byte("#!2")},
		userdata.Part{Name: "a", Type: userdata.TypeScript, Body: []byte("#!3")})
	var bodies []string
	for _, s := range r.Steps {
		if strings.HasPrefix(s.Path, instanceDir) {
			bodies = append(bodies, string(s.Body))
		}
	}
	if diff := cmp.Diff([]string{"#!2", "#!3"}, bodies); diff != "" {
		t.Error(diff)
	}
	if len(r.Problems) != 1 || !r.Problems[0].Warning {
		t.Errorf("problems: %v", r.Problems)
	}
}

func TestUpstartJob(t *testing.T) {
	part := func(name string) userdata.Part {
		return userdata.Part{Name: name, Type: userdata.TypeUpstartJob, Body: []byte("start on foo\nexec /bin/true\n")}
	}
	for name, want := range map[string]string{
		"part-001": "/etc/init/part-001.conf", "a.conf": "/etc/init/a.conf",
		"a.CONF": "/etc/init/a.CONF", "a.d/x": "/etc/init/a.d_x.conf",
	} {
		if _, ok := stepAt(planOf(plan.Upstart, part(name)), want); !ok {
			t.Errorf("%s: nothing at %s", name, want)
		}
	}
	r := planOf(plan.Systemd, part("x"))
	if _, ok := stepAt(r, "/etc/init/x.conf"); ok {
		t.Error("a systemd root got /etc/init/x.conf")
	}
	if _, ok := stepAt(r, instanceDir+"/upstart/x.conf"); !ok || len(r.Problems) != 2 || r.Problems[0].Warning || r.Problems[0].Line != 1 {
		t.Errorf("not saved, or not refused loudly: %v", r.Problems)
	}
}

func TestUpstartRejects(t *testing.T) {
	r := planOf(plan.Upstart, userdata.Part{Name: "x", Type: userdata.TypeUpstartJob, Body: []byte("task\n\nnonsense\n")})
	if _, ok := stepAt(r, "/etc/init/x.conf"); ok {
		t.Error("a job that upstart rejects was written")
	}
	if len(r.Problems) == 0 || r.Problems[0].Line != 3 || !strings.Contains(r.Problems[0].Message, "Unknown stanza") {
		t.Errorf("problems: %v", r.Problems)
	}
}

// The barrier lets pass the jobs that start on the event, and only them.
func TestBarrier(t *testing.T) {
	job := func(name, text string) userdata.Part {
		return userdata.Part{Name: name, Type: userdata.TypeUpstartJob, Body: []byte(text + "\nexec /bin/true\n")}
	}
	r := planOf(plan.Upstart, job("one", "start on ec2-boot-hook\ntask"), job("two.conf", "start on (ec2-boot-hook or startup)"), job("three", "start on startup"))
	s, ok := stepAt(r, "/etc/init/boothook-barrier.conf")
	if !ok || !strings.Contains(string(s.Body), "\tone|two) exit 0 ;;\n") {
		t.Errorf("barrier: %s", s.Body)
	}
	event, ok := stepAt(r, "/etc/init/boothook-event.conf")
	if !ok {
		t.Error("nobody emits the event")
	}
	for _, text := range [][]byte{s.Body, event.Body, []byte(finalJob)} {
		parsed, err := upstart.Parse(text)
		if err != nil || len(parsed.Warnings()) > 0 {
			t.Errorf("upstart would not like\n%s\n%v %v", text, err, parsed.Warnings())
		}
	}
	if len(r.Problems) > 0 {
		t.Errorf("problems: %v", r.Problems)
	}
	r = planOf(plan.Upstart, job("both", "start on (ec2-boot-hook and net-device-up IFACE=eth0)"))
	if len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Message, "holds the boot") {
		t.Errorf("no warning of a deadlock: %v", r.Problems)
	}
	if _, ok := stepAt(planOf(plan.Upstart, job("three", "start on startup")), "/etc/init/boothook-barrier.conf"); ok {
		t.Error("a barrier that nobody needs")
	}
}

// Every init has its late job, and none is left out in silence.
func TestLateForEveryInit(t *testing.T) {
	for init, at := range map[plan.Init]string{
		plan.Systemd: "/etc/systemd/system/boothook-final.service", plan.Upstart: "/etc/init/boothook-final.conf",
		plan.OpenRC: "/etc/init.d/boothook-final", plan.Runit: "/etc/sv/boothook-final/run",
		plan.Sysvinit: "/etc/inittab", plan.BusyboxInit: "/etc/inittab",
	} {
		r := planOf(init)
		if s, ok := stepAt(r, at); !ok || !strings.Contains(string(s.Body), LateRunner) || len(r.Problems) > 0 {
			t.Errorf("%s: %v %v", init, s, r.Problems)
		}
	}
	if r := planOf(plan.UnknownInit); len(r.Problems) != 1 {
		t.Errorf("unknown init: problems %v", r.Problems)
	}
}

func TestDisableCloudInit(t *testing.T) {
	for _, tt := range []struct{ has, asked, want bool }{{true, true, true}, {true, false, false}, {false, true, false}} {
		r := Plan(Context{Facts: plan.Facts{Init: plan.Systemd, HasCloudInit: tt.has}, DisableCloudInit: tt.asked}, nil, nil)
		if _, got := stepAt(r, disabledMarker); got != tt.want {
			t.Errorf("%+v: marker %t", tt, got)
		}
	}
}

func TestVendorScripts(t *testing.T) {
	r := Plan(Context{Facts: plan.Facts{Init: plan.Systemd}, InstanceDir: instanceDir, VendorPrefix: []string{"nice", "it's"}}, nil,
		[]userdata.Part{{Name: "v", Type: userdata.TypeScript, Body: []byte("#!")}})
	if _, ok := stepAt(r, instanceDir+"/scripts/vendor/v"); !ok {
		t.Error("no vendor script")
	}
	if s, _ := stepAt(r, instanceDir+"/scripts/.vendor-prefix"); string(s.Body) != `'nice' 'it'\''s'` {
		t.Errorf("prefix %q", s.Body)
	}
}
