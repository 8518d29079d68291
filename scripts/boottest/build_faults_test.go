//go:build boot

package boottest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boothook/initramfs/report"
	"boothook/scripts/programs"
)

// faultCode makes a worker go wrong. It is compiled into these tests' agent
// only, in the place of nothing that is shipped.
const faultCode = `package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func fault() {
	line, _ := os.ReadFile("/proc/cmdline")
	_, rest, _ := strings.Cut(string(line), "boothooktest.fault=")
	kind := strings.Fields(rest + " none")[0]
	if kind == "hang" {
		syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	}
	go func() {
		time.Sleep(time.Second)
		switch kind {
		case "kill":
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
		case "panic":
			panic("in a library's own goroutine")
		case "cgroup":
			os.Mkdir("/run/cgroup", 0o755)
			syscall.Mount("cgroup2", "/run/cgroup", "cgroup2", 0, "")
			os.WriteFile("/run/cgroup/cgroup.subtree_control", []byte("+memory"), 0)
			os.Mkdir("/run/cgroup/worker", 0o755)
			os.WriteFile("/run/cgroup/worker/memory.max", []byte("33554432"), 0)
			os.WriteFile("/run/cgroup/worker/cgroup.procs", []byte(strconv.Itoa(os.Getpid())), 0)
			syscall.Unmount("/run/cgroup", syscall.MNT_DETACH)
			eat()
		case "memory":
			eat()
		}
	}()
}

func eat() {
	var all [][]byte
	for {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		all = append(all, b)
		if len(all) == 1<<16 {
			return
		}
	}
}
`

// faultyTool is a tool that puts in an agent whose worker obeys
// boothooktest.fault=.
func faultyTool(t *testing.T) string {
	t.Helper()
	const source, before = "../../cmd/boothook-agent/main.go", "case \"work\":\n"
	text, err := os.ReadFile(source)
	check(t, err)
	if strings.Count(string(text), before) != 1 {
		t.Fatalf("%s has no place for faults", source)
	}
	dir := t.TempDir()
	main, code := filepath.Join(dir, "main.go"), filepath.Join(dir, "fault.go")
	check(t, os.WriteFile(main, []byte(strings.Replace(string(text), before, before+"\t\tfault()\n", 1)), 0o644))
	check(t, os.WriteFile(code, []byte(faultCode), 0o644))
	at, err := filepath.Abs(source)
	check(t, err)
	check(t, programs.Build(dir, map[string]string{at: main, filepath.Join(filepath.Dir(at), "fault.go"): code}, false))
	return filepath.Join(dir, "boothook")
}

// faults are what can become of a worker, and what the report says of it.
var faults = []struct {
	name, memory string
	problems     []string
}{
	{"kill", "512", []string{"the worker is gone"}},
	{"panic", "512", []string{"the worker is gone", "panic: in a library's own goroutine"}},
	{"cgroup", "512", []string{"the worker is gone: Memory cgroup out of memory: Killed process"}},
	{"memory", "384", []string{"the worker is gone: Out of memory: Killed process"}},
	{"hang", "512", []string{"the worker did not finish"}},
}

// outlive boots with each fault: the light root's init runs nevertheless, the
// report says what happened, and nobody of ours is left.
func outlive(t *testing.T, k kernel, initrd string) {
	disk := lightDisk(t)
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			console := k.lightBoot(t, initrd, disk, f.memory, "root=/dev/vda", "quiet", "boothook.timeout=20", "boothooktest.fault="+f.name)
			wantLines(t, console, "@@init 1 ", "boothook: the boot goes on without customization")
			r := lightReport(t, console)
			if r.Result != report.Failed {
				t.Errorf("result %s", r.Result)
			}
			got := fmt.Sprint(r.Problems)
			for _, want := range f.problems {
				if !strings.Contains(got, want) {
					t.Errorf("the report lacks %q: %s", want, got)
				}
			}
			if strings.Contains(console, "@@left") {
				t.Errorf("something of the initramfs goes on:\n%s", lastOf(console, 3000))
			}
			t.Logf("problems: %s", got)
		})
	}
}

func TestBuildOutlivesTheWorker(t *testing.T) {
	k := findKernel(t, "bookworm")
	outlive(t, k, k.buildBy(t, faultyTool(t)))
}

func TestBakedOutlivesTheWorker(t *testing.T) {
	k, tool := findKernel(t, "bookworm"), faultyTool(t)
	baked := filepath.Join(t.TempDir(), "baked.img")
	run(t, tool, "bake", "--initrd", filepath.Join(k.dir, "initramfs-tools"), "--out", baked)
	outlive(t, k, baked)
}
