package jobs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"boothook/injector/jobs/upstart"
	"boothook/injector/plan"
	"boothook/injector/userdata"
)

// jobPart is an upstart-job part that does something harmless.
func jobPart(name, text string) userdata.Part {
	return userdata.Part{Name: name, Type: userdata.TypeUpstartJob, Body: []byte(text + "\nexec /bin/true\n")}
}

// The event is emitted where any job of the root starts on it, wherever that
// job is from, and by nobody where a job emits it itself.
func TestHookEvent(t *testing.T) {
	written := func(path, body string) plan.Step {
		return plan.Step{Kind: plan.File, Path: path, Body: []byte(body), Why: plan.Why{Part: "cloud-config", Origin: "user-data", Line: 4}}
	}
	const onHook = "start on ec2-boot-hook\ntask\nexec true\n"
	for _, tt := range []struct {
		name    string
		root    []string
		planned []plan.Step
		parts   []userdata.Part
		want    bool
		warning string
	}{
		{name: "nobody listens", root: []string{"etc/init/a.conf=start on startup\n"}, parts: []userdata.Part{jobPart("b", "start on startup")}},
		{name: "a part", parts: []userdata.Part{jobPart("b", "start on ec2-boot-hook")}, want: true},
		{name: "a part, among others", parts: []userdata.Part{jobPart("b", "start on (startup or ec2-boot-hook)")}, want: true},
		{name: "write_files", planned: []plan.Step{written("/etc/init/b.conf", onHook)}, want: true},
		{name: "appended by write_files", root: []string{"etc/init/b.conf=task\n"},
			planned: []plan.Step{{Kind: plan.File, Path: "/etc/init/b.conf", Append: true, Body: []byte(onHook)}}, want: true},
		{name: "the image", root: []string{"etc/init/a.conf=" + onHook}, want: true},
		{name: "a directory of the image", root: []string{"etc/init/own/deep/a.conf=" + onHook}, want: true},
		{name: "a hidden directory, which upstart skips", root: []string{"etc/init/.own/a.conf=" + onHook}},
		{name: "an override of the image", root: []string{"etc/init/a.conf=exec true\n", "etc/init/a.override=start on ec2-boot-hook\n"}, want: true},
		{name: "an override alone", root: []string{"etc/init/a.override=start on ec2-boot-hook\n"}},
		{name: "overridden away", root: []string{"etc/init/a.conf=" + onHook, "etc/init/a.override=manual\n"}},
		{name: "removed", root: []string{"etc/init/a.conf=" + onHook}, planned: []plan.Step{{Kind: plan.Remove, Path: "/etc/init/a.conf"}}},
		{name: "upstart rejects it", root: []string{"etc/init/a.conf=nonsense\n" + onHook}},
		{name: "spoken of only", root: []string{"etc/init/a.conf=# start on ec2-boot-hook\nstart on startup\nexec echo ec2-boot-hook\n"}},
		{name: "with something else", parts: []userdata.Part{jobPart("b", "start on ec2-boot-hook and net-device-up")}, want: true, warning: "holds the boot"},
		{name: "the image, with something else", root: []string{"etc/init/a.conf=start on ec2-boot-hook and started ssh\nexec true\n"}, want: true, warning: "holds the boot"},
		{name: "a job emits it", parts: []userdata.Part{jobPart("b", "start on ec2-boot-hook"),
			{Name: "lucid.conf", Type: userdata.TypeUpstartJob, Body: []byte("start on mounted MOUNTPOINT=/\ntask\nscript\n\tinitctl emit ec2-boot-hook\nend script\n")}}, warning: "emits ec2-boot-hook itself"},
		{name: "a job emits it, with options", root: []string{"etc/init/a.conf=" + onHook, "etc/init/e.conf=start on filesystem\nexec /sbin/initctl emit --no-wait ec2-boot-hook A=b\n"}, warning: "emits ec2-boot-hook itself"},
		{name: "a job emits another one", root: []string{"etc/init/a.conf=" + onHook, "etc/init/e.conf=start on filesystem\nexec initctl emit other ec2-boot-hook=\n"}, want: true},
		{name: "a remark on emitting it", root: []string{"etc/init/a.conf=" + onHook, "etc/init/e.conf=start on filesystem\nscript\n# initctl emit ec2-boot-hook\nend script\n"}, want: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := Plan(Context{Facts: plan.Facts{Init: plan.Upstart}, InstanceDir: instanceDir, Root: rootOf(tt.root...), Planned: tt.planned}, tt.parts, nil)
			for _, path := range []string{StartupJob, "/etc/init/boothook-event.conf", "/etc/init/boothook-barrier.conf"} {
				s, got := stepAt(r, path)
				if got != tt.want {
					t.Errorf("%s: planned is %v", path, got)
				}
				if !got {
					continue
				}
				if job, err := upstart.Parse(s.Body); err != nil || len(job.Warnings()) > 0 {
					t.Errorf("upstart would not like\n%s\n%v", s.Body, err)
				}
			}
			if tt.warning == "" && len(r.Problems) > 0 || tt.warning != "" && (len(r.Problems) != 1 || !r.Problems[0].Warning || !strings.Contains(r.Problems[0].Message, tt.warning)) {
				t.Errorf("problems: %v", r.Problems)
			}
		})
	}
	s, _ := stepAt(planOf(plan.Upstart, jobPart("b", "start on ec2-boot-hook")), StartupJob)
	if job, err := upstart.Parse(s.Body); err != nil || job.StartOn.String() != StartupEvent {
		t.Errorf("nobody starts on %s: %s", StartupEvent, s.Body)
	}
}

// A job's own files, as they are when it is about to start, say whether the
// barrier holds it.
func TestBarrierHolds(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, body := range map[string]string{
		"hostname.conf":      "start on startup\n",
		"mountall.conf":      "description \"mounts\"\nstart on startup\nstop on starting rcS\nexpect daemon\n",
		"early.conf":         "  start   on\tstarting mountall\n",
		"earlier.conf":       "start on starting JOB=early\n",
		"either.conf":        "start on (startup\n\tor filesystem) # both\n",
		"continued.conf":     "start on filesystem \\\n\tor startup\n",
		"quoted.conf":        "start on \"startup\"\n",
		"again.conf":         "start on startup\nstart on filesystem\n",
		"udev.conf":          "start on virtual-filesystems\n",
		"told.conf":          "start on filesystem\nscript\n\tstart on startup\nend script\n",
		"told-before.conf":   "pre-start script\n\tstart on startup\nend script\nstart on filesystem\n",
		"behind-script.conf": "pre-start script\n\ttrue\nend script\nexec run script\nstart on startup\n",
		"remark.conf":        "# start on startup\nstart on filesystem\n",
		"hook.conf":          "start on ec2-boot-hook\ntask\n",
		"hook-and.conf":      "start on (startup and ec2-boot-hook)\n",
		"sub/hook.conf":      "start on ec2-boot-hook\n",
		"before-hook.conf":   "start on starting hook\n",
		"before-sub.conf":    "start on starting sub/hook or startup\n",
		"after-hook.conf":    "start on stopped JOB=before-hook RESULT=ok or startup\n",
		"over.conf":          "start on startup\n",
		"over.override":      "start on ec2-boot-hook\n",
		"hand.conf":          "start on startup\n",
		"hand.override":      "manual\n",
		"hand-on.conf":       "start on filesystem\n",
		"hand-on.override":   "manual\nstart on startup\n",
		"nice.conf":          "start on startup\n",
		"nice.override":      "nice 5\n",
		"round.conf":         "start on starting square\n",
		"square.conf":        "start on starting round\n",
		"any.conf":           "start on starting JOB!=boothook*\n",
		"two words.conf":     "start on startup\n",
		"never.conf":         "task\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	job, err := upstart.Parse([]byte(barrier))
	if err != nil {
		t.Fatal(err)
	}
	script, _, _ := strings.Cut(job.Main.Text, strings.Split(waiting, "\n")[0][1:])
	script = strings.NewReplacer("/etc/init", dir, hookDone, filepath.Join(dir, "done")).Replace(script) + "echo held\n"
	holds := func(name string) bool {
		cmd := exec.Command(sh, "-e", "-c", script)
		cmd.Env = []string{"JOB=" + name, "INSTANCE=", "PATH=/usr/bin:/bin"}
		out, err := cmd.CombinedOutput()
		if err != nil || string(out) != "held\n" && len(out) > 0 {
			t.Errorf("%s: %v: %s", name, err, out)
		}
		return len(out) > 0
	}
	for name, want := range map[string]bool{
		"hostname": true, "mountall": true, "early": true, "earlier": true, "either": true, "continued": true, "quoted": true,
		"again": false, "udev": false, "told": false, "told-before": false, "behind-script": true, "remark": false,
		"hook": false, "hook-and": false, "sub/hook": false, "before-hook": false, "before-sub": false, "after-hook": false,
		"over": false, "hand": false, "hand-on": true, "nice": true, "round": false, "square": false, "any": false,
		"two words": true, "never": false, "nowhere": false,
	} {
		if got := holds(name); got != want {
			t.Errorf("%s: held is %v", name, got)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "done"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if holds("hostname") {
		t.Error("hostname is held when the event is over")
	}
}

// The wait ends by the clock, not by a count of rounds, and with it the event
// for whoever comes later.
func TestWaitingEnds(t *testing.T) {
	dir := t.TempDir()
	uptime := filepath.Join(dir, "uptime")
	for _, tt := range []struct {
		name, uptime string
		rounds       int
	}{
		{"a slow machine", "n=$((${n:-0} + 1)); echo $((n * 100)).5 1 >" + uptime, 6},
		{"no clock", "n=$((${n:-0} + 1))", 600},
	} {
		done, kmsg := filepath.Join(dir, tt.name), filepath.Join(dir, "kmsg")
		script := strings.NewReplacer("/proc/uptime", uptime, hookDone, "'"+done+"'", "/dev/kmsg", kmsg, "sleep 0.1", tt.uptime).Replace(waiting)
		for _, path := range []string{uptime, kmsg} {
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
		}
		if strings.Contains(tt.uptime, uptime) {
			if err := os.WriteFile(uptime, []byte("0.25 1\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		out, err := exec.Command("sh", "-e", "-c", script+"\necho $n").CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != strconv.Itoa(tt.rounds) {
			t.Errorf("%s: %s rounds, %v; want %d", tt.name, got, err, tt.rounds)
		}
		if _, err := os.Stat(done); err != nil {
			t.Errorf("%s: the next job is held once more: %v", tt.name, err)
		}
		if said, err := os.ReadFile(kmsg); !strings.Contains(string(said), "the boot goes on") {
			t.Errorf("%s: said %q, %v", tt.name, said, err)
		}
	}
}
