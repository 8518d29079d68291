package jobs

import (
	"strings"
	"testing"

	"boothook/injector/plan"
	"boothook/injector/userdata"
)

// A part that is called NAME.override changes the job NAME and is none itself.
func TestOverride(t *testing.T) {
	override := func(name, text string) userdata.Part {
		return userdata.Part{Name: name, Type: userdata.TypeUpstartJob, Body: []byte(text)}
	}
	for _, tt := range []struct {
		name  string
		init  plan.Init
		root  []string
		parts []userdata.Part
		// path is what is written, with text in it.
		path, text string
		problem    string
	}{
		{"of the image's job", plan.Upstart, []string{"sbin/init=\x7fELF .override"}, []userdata.Part{override("ssh.override", "manual\n")}, "/etc/init/ssh.override", "manual", ""},
		{"in other letters", plan.Upstart, nil, []userdata.Part{override("ssh.OVERRIDE", "manual\n")}, "/etc/init/ssh.override", "manual", ""},
		{"an upstart without overrides", plan.Upstart, []string{"sbin/init=\x7fELF upstart 0.6.5"}, []userdata.Part{override("ssh.override", "manual\n")}, "/etc/init/ssh.override", "manual", "reads no overrides"},
		{"rejected", plan.Upstart, nil, []userdata.Part{override("ssh.override", "manual\nnonsense\n")}, instanceDir + "/upstart/ssh.override", "nonsense", "Unknown stanza"},
		{"without a name", plan.Upstart, nil, []userdata.Part{override(".override", "manual\n")}, "", "", "cannot be a job's name"},
		{"of a part, before it", plan.Systemd, nil, []userdata.Part{override("a.override", "env A=over\n"), jobPart("a.conf", "start on runlevel [2345]\nenv A=part")}, "/etc/systemd/system/a.service", "A=over", ""},
		{"of a part, behind it", plan.Systemd, nil, []userdata.Part{jobPart("a", "start on runlevel [2345]\nenv A=part"), override("a.override", "env A=over\n")}, "/etc/systemd/system/a.service", "A=over", ""},
		{"of no part", plan.Systemd, nil, []userdata.Part{override("ssh.override", "manual\n")}, "", "", "overrides the upstart job ssh, which is not among the parts"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx := Context{Facts: plan.Facts{Init: tt.init}, InstanceDir: instanceDir}
			if tt.root != nil {
				ctx.Root = rootOf(tt.root...)
			}
			r := Plan(ctx, tt.parts, nil)
			if s, ok := stepAt(r, tt.path); tt.path != "" && (!ok || !strings.Contains(string(s.Body), tt.text)) {
				t.Errorf("%s: %q", tt.path, s.Body)
			}
			if _, ok := stepAt(r, "/etc/init/ssh.override.conf"); ok {
				t.Error("the override became a job")
			}
			if tt.problem == "" && len(r.Problems) > 0 || tt.problem != "" && (len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Message, tt.problem)) {
				t.Errorf("problems: %v", r.Problems)
			}
		})
	}
}
