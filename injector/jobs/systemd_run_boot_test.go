//go:build boot

package jobs

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"boothook/injector/plan"
	"boothook/injector/userdata"
)

// container makes a root over the machine's own and boots its systemd there,
// alone in its namespaces, with no unit but the bare targets, the jobs and a
// check. $1 is a work directory that holds "etc" and "var", the planned files.
const container = `set -e
mount --make-rprivate /
mkdir -p "$1/over" "$1/root" && mount -t tmpfs tmpfs "$1/over" && mkdir "$1/over/up" "$1/over/work"
R=$1/root
mount -t overlay overlay -o lowerdir=/,upperdir="$1/over/up",workdir="$1/over/work" "$R"
mount -t proc proc "$R/proc"
mount -t sysfs sysfs "$R/sys" || mount --bind /sys "$R/sys"
mount -t tmpfs tmpfs "$R/run" && mount -t tmpfs -o mode=755 tmpfs "$R/dev" && mount -t tmpfs tmpfs "$R/tmp"
for d in null zero full random urandom tty; do : >"$R/dev/$d"; mount --bind "/dev/$d" "$R/dev/$d"; done
mkdir "$R/dev/pts" "$R/dev/shm"; : >"$R/dev/console"; : >"$1/console"; mount --bind "$1/console" "$R/dev/console"
if [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
	mount -t tmpfs tmpfs "$R/sys/fs/cgroup" && mkdir "$R/sys/fs/cgroup/systemd"
	mount -t cgroup -o none,name=systemd cgroup "$R/sys/fs/cgroup/systemd"
else
	mount -t cgroup2 cgroup2 "$R/sys/fs/cgroup"
fi
mkdir "$1/mnt" && chmod 777 "$1/mnt" && mount --bind "$1/mnt" "$R/mnt" && : >"$R/mnt/log" && chmod 666 "$R/mnt/log"
rm -rf "$R"/etc/systemd/system "$R"/lib/systemd/system/*.wants "$R"/lib/systemd/system-generators "$R"/etc/init.d
mkdir "$R/lib/systemd/system-generators"
cp -a "$1/etc" "$1/var" "$R/"
exec chroot "$R" env -i container=other PATH="$PATH" /lib/systemd/systemd --system --unit=multi-user.target --log-target=console
`

// checkUnit looks at the jobs after everything, stops some, and ends the boot.
const checkUnit = `[Unit]
After=multi-user.target late.service boothook-final.service
[Service]
ExecStart=/bin/sh /etc/check
`

const checkScript = `sleep 4
systemctl reload reloaded; sleep 0.5
systemctl show -p Id,ActiveState,Result,MainPID '*.service' >/mnt/show
cp /run/boothook/late /var/lib/cloud/instance/boot-finished /var/log/cloud-init-output.log /mnt/
cat /proc/$(systemctl show --value -p MainPID forking)/cmdline >/mnt/forking
echo == stopping >>/mnt/log
systemctl stop stubborn interrupted surrounded state prepared
systemctl stop service
sleep 0.5
systemctl show -p Id,Result stubborn.service >/mnt/stubborn
touch /mnt/done
systemctl poweroff --force --force
`

// TestJobsRunUnderSystemd boots real jobs and compares what they did with what
// they do under upstart.
func TestJobsRunUnderSystemd(t *testing.T) {
	dir := t.TempDir()
	archive, err := txtar.ParseFile("testdata/run.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var parts []userdata.Part
	for _, f := range archive.Files {
		parts = append(parts, userdata.Part{Name: f.Name, Type: userdata.TypeUpstartJob, Body: f.Data})
	}
	parts = append(parts, userdata.Part{Name: "script", Type: userdata.TypeScript, Body: []byte("#!/bin/sh\necho script >> /mnt/log\nexit 3\n")})
	r := planOf(plan.Systemd, parts...)
	for _, p := range r.Problems {
		if !p.Warning {
			t.Errorf("problem: %s", p)
		}
	}
	for _, s := range r.Steps {
		write(t, dir, s)
	}
	write(t, dir, plan.Step{Kind: plan.Link, Path: "/var/lib/cloud/instance", Target: instanceDir})
	write(t, dir, plan.Step{Kind: plan.File, Path: systemdUnits + "/check.service", Body: []byte(checkUnit), Mode: 0o644})
	write(t, dir, plan.Step{Kind: plan.Link, Path: systemdUnits + "/multi-user.target.wants/check.service", Target: "../check.service"})
	write(t, dir, plan.Step{Kind: plan.File, Path: "/etc/check", Body: []byte(checkScript), Mode: 0o755})

	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	group := ownGroup(t)
	cmd := exec.CommandContext(ctx, "sh", "-c", `echo $$ >"$2/cgroup.procs"; exec unshare -pfmuinC --kill-child=KILL sh -c "$0" sh "$1"`, container, dir, group)
	cmd.WaitDelay = 5 * time.Second
	out, _ := cmd.CombinedOutput()
	if _, err := os.Stat(filepath.Join(dir, "mnt/done")); err != nil {
		console, _ := os.ReadFile(filepath.Join(dir, "console"))
		t.Fatalf("the boot did not end: %s\n%s\n%s", out, console, read(t, dir, "log"))
	}
	booted, stopped, _ := strings.Cut(read(t, dir, "log"), "== stopping\n")
	checkOrder(t, strings.Split(strings.TrimSpace(booted), "\n"))
	checkRuns(t, booted)
	checkStates(t, dir)
	checkStopped(t, stopped)
	if late := read(t, dir, "late"); !strings.Contains(late, `"name":"scripts/script","exit":3}`) || read(t, dir, "boot-finished") == "" ||
		!strings.Contains(read(t, dir, "cloud-init-output.log"), "1 late scripts failed") {
		t.Errorf("late: %s", late)
	}
}

// ownGroup makes a control group for the container, and takes it and all that
// systemd made below it away afterwards.
func ownGroup(t *testing.T) string {
	parent := "/sys/fs/cgroup"
	if _, err := os.Stat(parent + "/cgroup.controllers"); err != nil {
		parent += "/systemd"
	}
	group, err := os.MkdirTemp(parent, "boothook-jobs-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		var dirs []string
		filepath.WalkDir(group, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for _, dir := range slices.Backward(dirs) {
			if err := os.Remove(dir); err != nil {
				t.Error(err)
			}
		}
	})
	return group
}

func write(t *testing.T, dir string, s plan.Step) {
	t.Helper()
	target := filepath.Join(dir, s.Path)
	err := os.MkdirAll(filepath.Dir(target), 0o755)
	if err == nil && s.Kind == plan.Link {
		err = os.Symlink(s.Target, target)
	} else if err == nil {
		err = os.WriteFile(target, s.Body, os.FileMode(s.Mode))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, dir, name string) string {
	data, err := os.ReadFile(filepath.Join(dir, "mnt", name))
	if err != nil {
		t.Error(err)
	}
	return string(data)
}

// checkOrder: hook, file systems, held service, what follows it, late.
func checkOrder(t *testing.T, log []string) {
	last := -1
	for _, line := range []string{"early early ec2-boot-hook", "filesystems", "holder service", "service", "follower service"} {
		i := slices.Index(log, line)
		if i < 0 || i < last {
			t.Errorf("%q is at %d, what goes before it at %d:\n%s", line, i, last, strings.Join(log, "\n"))
		}
		last = i
	}
	if slices.Index(log, "script") < slices.Index(log, "follower service") {
		t.Errorf("the late script did not run last:\n%s", strings.Join(log, "\n"))
	}
	if log[0] != "early early ec2-boot-hook" || slices.Index(log, "late") < slices.Index(log, "service") {
		t.Errorf("order:\n%s", strings.Join(log, "\n"))
	}
}

// checkRuns counts lines: how often something ran, or that it did not.
func checkRuns(t *testing.T, log string) {
	ran := map[string]int{}
	for line := range strings.Lines(log) {
		ran[strings.TrimSuffix(line, "\n")]++
	}
	for line, want := range map[string]int{
		"respawned": 4, "respawned-always": 3, "normal-exit": 1, "not-respawned": 1,
		"cancelled ran": 0, "prepared pre-start": 1, "prepared main": 1, "unprepared ran": 0,
		"strict begins": 1, "strict goes on": 0, "manual ran": 0, "state begins": 1, "late": 1,
		"other-user nobody:nogroup": 1, `quoting a  b|c"d`: 1, "short pre-stop": 0, "short post-stop": 1,
		"reloaded by USR1": 1,
		`environment two words|100%i|$HOME|say "so"|/tmp|0027|5|321|100|200|` + upstartPath: 1,
	} {
		if ran[line] != want {
			t.Errorf("%q: %d times, want %d\n%s", line, ran[line], want, log)
		}
	}
}

// checkStates compares what systemd says of each job before the stop.
func checkStates(t *testing.T, dir string) {
	got := map[string]string{}
	for _, block := range strings.Split(read(t, dir, "show"), "\n\n") {
		fields := map[string]string{}
		for line := range strings.Lines(block) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			fields[key] = value
		}
		got[strings.TrimSuffix(fields["Id"], ".service")] = fields["ActiveState"] + " " + fields["Result"]
	}
	want := map[string]string{
		"service": "active success", "dependant": "active success", "prepared": "active success", "forking": "active success",
		"state": "active success", "shrugging": "active success", "stubborn": "active success", "surrounded": "active success",
		"respawned": "failed", "respawned-always": "failed", "strict": "failed exit-code", "unprepared": "failed exit-code",
		"missing": "failed", "boothook-final": "failed exit-code", "failing-holder": "failed exit-code",
	}
	for name, state := range want {
		if !strings.HasPrefix(got[name], state) {
			t.Errorf("%s is %q, want %q", name, got[name], state)
		}
	}
	if strings.HasPrefix(got["cancelled"], "failed") {
		t.Error("a start that was called off counts as failed")
	}
	if diff := cmp.Diff("sleep\x001234\x00", read(t, dir, "forking")); diff != "" {
		t.Errorf("the main process of the forking job: %s", diff)
	}
	if _, err := os.Stat(filepath.Join(dir, "mnt/direct-100%n")); err != nil {
		t.Error(err)
	}
	if !bytes.Contains([]byte(read(t, dir, "stubborn")), []byte("Result=timeout")) {
		t.Errorf("stubborn: %s", read(t, dir, "stubborn"))
	}
}

func checkStopped(t *testing.T, log string) {
	for _, line := range []string{"interrupted by INT", "surrounded pre-stop", "surrounded post-stop", "state ends", "dependant stopped"} {
		if !strings.Contains("\n"+log, "\n"+line+"\n") {
			t.Errorf("no %q after the stop:\n%s", line, log)
		}
	}
	if strings.Contains(log, "interrupted by TERM") || strings.Index(log, "surrounded pre") > strings.Index(log, "surrounded post") {
		t.Errorf("after the stop:\n%s", log)
	}
}
