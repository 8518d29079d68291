package jobs

import (
	"slices"
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
		"a.CONF": "/etc/init/a.conf", "a.d/x": "/etc/init/a.d_x.conf",
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

// Jobs that await the root and the network: "mount" is emitted for those who
// call it so, and nobody holds mountall where the network awaits mountall.
func TestMountEvent(t *testing.T) {
	plan := func(start string, independent bool) (Result, string, bool) {
		r := Plan(Context{InstanceDir: instanceDir, Facts: plan.Facts{Init: plan.Upstart, Exists: map[string]bool{networkInterface: independent}}},
			[]userdata.Part{{Name: "x", Type: userdata.TypeUpstartJob, Body: []byte("start on " + start + "\nexec /bin/true\n")}}, nil)
		override, _ := stepAt(r, "/etc/init/x.override")
		_, emitted := stepAt(r, "/etc/init/boothook-mount.conf")
		return r, string(override.Body), emitted
	}
	for _, tt := range []struct {
		start       string
		independent bool
		override    string
		emitted     bool
	}{
		{"(mount MOUNTPOINT=/ and net-device-up IFACE=eth0)", true, "", true},
		{"(mount MOUNTPOINT=/ and net-device-up IFACE=eth0)", false, "", true},
		{"(mounted MOUNTPOINT=/ and net-device-up IFACE=eth0)", true, "", false},
		{"(mounted MOUNTPOINT=/ and net-device-up IFACE=eth0)", false, "start on mount MOUNTPOINT=/ and net-device-up IFACE=eth0\n", true},
		{"(mounted MOUNTPOINT=/ or net-device-up IFACE=eth0)", false, "", false},
		{"mounted MOUNTPOINT=/", false, "", false},
	} {
		r, override, emitted := plan(tt.start, tt.independent)
		if override != tt.override || emitted != tt.emitted || (len(r.Problems) > 0) != (tt.override != "") {
			t.Errorf("%s, %t: override %q, emitted %t, %v", tt.start, tt.independent, override, emitted, r.Problems)
		}
	}
	if job, err := upstart.Parse([]byte(mountEmitter)); err != nil || len(job.Warnings()) > 0 {
		t.Errorf("upstart would not like the emitter: %v %v", err, job)
	}
}

// Debian's OpenRC runs Debian's scripts, whose names are not Gentoo's: a need
// of a name that is not there keeps a service from starting.
func TestOpenRCNames(t *testing.T) {
	for start, want := range map[string][2]string{
		"local-filesystems": {"boot: need localmount", "sysinit: need mountall"},
		"filesystem":        {"default: need localmount, after netmount mountnfs", "default: need mountall, after netmount mountnfs"},
		"static-network-up": {"default: need net", "default: use networking network-manager dhcpcd connman"},
	} {
		for i, debian := range []bool{false, true} {
			r := Plan(Context{InstanceDir: instanceDir, Facts: plan.Facts{Init: plan.OpenRC, Exists: map[string]bool{debianScript: debian}}},
				[]userdata.Part{{Name: "x", Type: userdata.TypeUpstartJob, Body: []byte("start on " + start + "\ntask\nexec /bin/true\n")}}, nil)
			script, _ := stepAt(r, "/etc/init.d/x")
			_, depend, _ := strings.Cut(string(script.Body), "depend() {\n\t")
			depend, _, _ = strings.Cut(depend, "\n\t:\n}")
			level, depends, _ := strings.Cut(want[i], ": ")
			if depend != strings.ReplaceAll(depends, ", ", "\n\t") {
				t.Errorf("%s, Debian %t: depends %q, want %q", start, debian, depend, depends)
			}
			if _, ok := stepAt(r, "/etc/runlevels/"+level+"/x"); !ok {
				t.Errorf("%s, Debian %t: not in runlevel %s", start, debian, level)
			}
		}
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
		found := slices.ContainsFunc(r.Steps, func(s plan.Step) bool { return s.Path == at && strings.Contains(string(s.Body), LateRunner) })
		if !found || len(r.Problems) > 0 {
			t.Errorf("%s: %v %v", init, r.Steps, r.Problems)
		}
	}
	if r := planOf(plan.UnknownInit); len(r.Problems) != 1 {
		t.Errorf("unknown init: problems %v", r.Problems)
	}
}

// The marker file is read by cloud-init's generator for systemd and by its
// scripts for OpenRC, but by no job of upstart's and no script of Debian's.
func TestDisableCloudInitByInit(t *testing.T) {
	for init, want := range map[plan.Init]string{
		plan.Systemd: disabledMarker, plan.Upstart: "/etc/init/cloud-init-blocknet.override",
		plan.Sysvinit: "/etc/default/cloud-init", plan.OpenRC: "/etc/default/cloud-init", plan.Runit: "/etc/default/cloud-init",
	} {
		r := Plan(Context{Facts: plan.Facts{Init: init, HasCloudInit: true}, DisableCloudInit: true}, nil, nil)
		s, ok := stepAt(r, want)
		if !ok {
			t.Errorf("%s: no %s", init, want)
		}
		if _, ok := stepAt(r, disabledMarker); !ok {
			t.Errorf("%s: no marker", init)
		}
		if init == plan.Upstart && (string(s.Body) != "manual\n" || !s.Append) {
			t.Errorf("override: %q, append %t", s.Body, s.Append)
		}
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
