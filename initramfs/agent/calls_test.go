package agent

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"boothook/initramfs/klog"
	"boothook/initramfs/latecall"
	"boothook/initramfs/report"
	"boothook/initramfs/words"
)

// The early call leaves a worker behind where there is something to do, and
// nothing but a report where there is not.
func TestEarly(t *testing.T) {
	for _, tt := range []struct {
		name, words string
		prepare     func(*lab)
		worker      string // its arguments after the time
		report      report.Result
		fails       string
	}{
		{name: "off", words: "boothook=off"},
		{name: "no evidence", report: report.NoPlatform},
		{name: "evidence", prepare: (*lab).ec2, worker: `"false" "false"`},
		{name: "a source is named", words: "boothook.source=ec2", worker: `"false" "false"`},
		{name: "before dracut's coldplug", prepare: func(l *lab) { l.ec2(); l.initrd("/lib/dracut-lib.sh", "") }, worker: `"false" "true"`},
		{name: "behind it", prepare: func(l *lab) { l.ec2(); l.initrd("/lib/dracut-lib.sh", ""); l.initrd("/run/udev/control", "") }, worker: `"false" "false"`},
		{name: "no run directory", prepare: func(l *lab) { l.env.Run = filepath.Join(l.root, "etc/passwd/x") }, fails: "make the run directory"},
		{name: "no worker", prepare: func(l *lab) { l.ec2(); l.machine.refusals["worker"] = errors.New("no memory") }, fails: "leave a worker: no memory"},
		{name: "no log", prepare: func(l *lab) { l.ec2(); os.Mkdir(l.env.path(workerLogName), 0o755) }, fails: "make the worker's log"},
		{name: "no note", prepare: func(l *lab) { l.ec2(); os.Mkdir(l.env.path(workerPIDName), 0o755) }, fails: "note the worker", worker: `"false" "false"`},
		{name: "no socket", prepare: func(l *lab) { l.ec2(); write(l.t, l.env.path(socketName)+"/x", "") }, fails: "socket"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t, tt.words)
			if tt.prepare != nil {
				tt.prepare(l)
			}
			if err := Early(l.env); (err == nil) != (tt.fails == "") || err != nil && !strings.Contains(err.Error(), tt.fails) {
				t.Fatal(err)
			}
			started := ""
			for _, told := range l.machine.told {
				if rest, ok := strings.CutPrefix(told, `worker ["work" `); ok {
					_, started, _ = strings.Cut(rest, " ")
				}
			}
			if want := tt.worker; want != "" && started != want+"] to worker.log" || want == "" && started != "" && tt.fails == "" {
				t.Errorf("worker %q of %q", started, l.machine.told)
			}
			if tt.report != "" && l.report().Result != tt.report {
				t.Errorf("report %+v", l.report())
			}
			if tt.worker != "" && tt.fails == "" && l.read(l.env.path(workerPIDName)) != "4711" {
				t.Error("the worker's number is not noted")
			}
			if tt.name == "no note" && !slices.Contains(l.machine.told, "end 4711") {
				t.Errorf("a worker that nobody can end later goes on: %q", l.machine.told)
			}
		})
	}
}

// A driver without which a source cannot be seen is loaded, and then it is
// looked once more.
func TestEarlyLoads(t *testing.T) {
	for name, refuse := range map[string]error{"loaded": nil, "refused": errors.New("no such module")} {
		l := newLab(t, "boothook.log=debug")
		write(t, filepath.Join(l.env.Sysfs, "bus/acpi/devices/QEMU0002:00/x"), "")
		l.machine.refusals["load"] = refuse
		if err := Early(l.env); err != nil {
			t.Fatal(err)
		}
		if len(l.machine.told) != 1 || !strings.HasPrefix(l.machine.told[0], "load ") || (refuse != nil) != strings.Contains(l.log.String(), "no such module") {
			t.Errorf("%s: %v\n%s", name, l.machine.told, &l.log)
		}
		l.env.ByHand, l.machine.told = true, nil
		if l.env.loadFor(nil, l.env.log(&words.Options{})) || len(l.machine.told) > 0 {
			t.Errorf("by hand: %v", l.machine.told)
		}
	}
}

// The late call with a worker that answers, has failed, is gone, or was never
// needed.
func TestLate(t *testing.T) {
	answer := func(failures int) func(*lab) {
		return func(l *lab) {
			file, err := latecall.Listen(l.env.path(socketName))
			if err != nil {
				l.t.Fatal(err)
			}
			listener, err := net.FileListener(file)
			if err != nil {
				l.t.Fatal(err)
			}
			file.Close()
			go func() {
				defer listener.Close()
				caller, err := latecall.Accept(l.t.Context(), listener)
				if err != nil || caller.Root != l.root {
					l.t.Errorf("%+v, %v", caller, err)
					return
				}
				caller.Stage("working", 1e9)
				caller.Done(failures)
			}()
		}
	}
	nothing := func(l *lab) {
		write(l.t, l.env.path(reportName), `{"schema":1,"result":"no-platform"}`)
	}
	for _, tt := range []struct {
		name, words string
		prepare     func(*lab)
		told        []string
		failed      bool // the report says so
	}{
		{name: "off", words: "boothook=off"},
		{name: "answered", words: "boothook.source=ec2", prepare: answer(0)},
		{name: "answered, with failures", words: "boothook.source=ec2 boothook.onerror=reboot", prepare: answer(1), told: []string{"reboot"}},
		{name: "devices are awaited where data may be on a volume", prepare: answer(0), told: []string{"await udev"}},
		{name: "nothing to do, and still nothing", prepare: nothing, told: []string{"await udev"}},
		{name: "nothing to do, but there is a seed", prepare: func(l *lab) {
			nothing(l)
			write(l.t, filepath.Join(l.root, "var/lib/cloud/seed/nocloud/meta-data"), "")
			l.machine.refusals["worker"] = errors.New("no memory")
		}, told: []string{"await udev", "worker"}},
		{name: "gone", words: "boothook.source=ec2 boothook.onerror=halt", prepare: func(l *lab) {
			write(l.t, l.env.path(workerPIDName), "4711")
			write(l.t, l.env.path(workerLogName), "panic: at last")
			l.machine.cause = "Out of memory"
		}, told: []string{"end 4711", "power off"}, failed: true},
		{name: "gone without a trace", words: "boothook.source=ec2", prepare: func(l *lab) { write(l.t, l.env.path(workerPIDName), "1") }, failed: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t, tt.words)
			if tt.prepare != nil {
				tt.prepare(l)
			}
			err := Late(t.Context(), l.env, l.root)
			if refused := l.machine.refusals["worker"]; !errors.Is(err, refused) {
				t.Errorf("error %v", err)
			}
			if len(l.machine.told) != len(tt.told) || slices.ContainsFunc(tt.told, func(want string) bool {
				return !slices.ContainsFunc(l.machine.told, func(got string) bool { return strings.HasPrefix(got, want) })
			}) {
				t.Errorf("told %q, want %q", l.machine.told, tt.told)
			}
			if !tt.failed {
				return
			}
			r := l.report()
			if r.Result != report.Failed || tt.name == "gone" && (len(problems(r, "Out of memory")) != 1 || len(problems(r, "panic: at last")) != 1) {
				t.Errorf("report %+v", r)
			}
		})
	}
}

// A failure does what boothook.onerror= says, and nothing by default.
func TestOnError(t *testing.T) {
	for policy, want := range map[words.OnError]string{words.Continue: "", words.Shell: "shell", words.Reboot: "reboot", words.Halt: "power off"} {
		l := newLab(t, "")
		l.machine.refusals[want] = errors.New("broken")
		err := l.env.OnError(t.Context(), klog.New(false, &l.log), policy)
		if (err != nil) != (want != "") || strings.Join(l.machine.told, " ") != want {
			t.Errorf("%s: %v, %v", policy, l.machine.told, err)
		}
	}
}
