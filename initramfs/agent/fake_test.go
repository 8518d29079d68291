package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"boothook/initramfs/klog"
	"boothook/initramfs/machine"
	"boothook/initramfs/report"
	"boothook/injector/root"
	"boothook/netboot/nic"
)

// A fakeMachine is a Machine that does nothing to the one that runs the test,
// and records what it was told.
type fakeMachine struct {
	// nics are those that Raise gives; without any it fails.
	nics *fakeNICs
	// refusals are errors by method.
	refusals map[string]error
	// vars are the firmware's variables; nil: there is no firmware.
	vars map[string]string
	// worker is the process that StartWorker gives, cause what EndWorker says.
	worker int
	cause  string

	lock    sync.Mutex // guards what follows
	told    []string   // what it was told, in order
	options nic.Options
	console bytes.Buffer
}

func (f *fakeMachine) tell(method, format string, args ...any) error {
	f.lock.Lock()
	defer f.lock.Unlock()
	f.told = append(f.told, method+fmt.Sprintf(format, args...))
	return f.refusals[method]
}

func (f *fakeMachine) ReadRoot(dir string, look func(*root.Root) error) error {
	r, err := root.Open(dir)
	if err != nil {
		return err
	}
	defer r.Close()
	return look(r)
}

func (f *fakeMachine) WriteRoot(dir string, work func(*root.Root) error) error {
	if err := f.refusals["write"]; err != nil {
		return err
	}
	return f.ReadRoot(dir, work)
}

func (f *fakeMachine) Raise(_ context.Context, _ *klog.Log, o nic.Options, coldplug time.Duration) (machine.NICs, error) {
	if err := f.tell("raise", " %v", coldplug); err != nil || f.nics == nil {
		return nil, errors.Join(err, errors.New("no NICs"))
	}
	f.options = o
	return f.nics, nil
}

func (f *fakeMachine) Load(_ context.Context, _ *klog.Log, module string) error {
	return f.tell("load", " %s", module)
}

func (f *fakeMachine) AwaitUdev(context.Context) { f.tell("await udev", "") }

func (f *fakeMachine) Variables(context.Context, *klog.Log) (machine.Variables, error) {
	if f.vars == nil {
		return nil, errors.New("no variables")
	}
	return fakeVariables{f}, f.tell("variables", "")
}

func (f *fakeMachine) SetHostname(name string) error { return f.tell("hostname", " %s", name) }
func (f *fakeMachine) SeedRandom(seed []byte) error  { return f.tell("seed", " %s", seed) }

func (f *fakeMachine) Console() (io.WriteCloser, error) {
	return nopCloser{&f.console}, f.tell("console", "")
}

func (f *fakeMachine) StartWorker(args []string, _, log *os.File) (int, error) {
	return f.worker, f.tell("worker", " %q to %s", args, filepath.Base(log.Name()))
}

func (f *fakeMachine) EndWorker(pid int) string {
	f.tell("end", " %d", pid)
	return f.cause
}

func (f *fakeMachine) Shell(context.Context) error { return f.tell("shell", "") }
func (f *fakeMachine) Reboot() error               { return f.tell("reboot", "") }
func (f *fakeMachine) PowerOff() error             { return f.tell("power off", "") }

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

type fakeVariables struct{ f *fakeMachine }

func (v fakeVariables) Get(name string) ([]byte, error) {
	text, ok := v.f.vars[name]
	if !ok {
		return nil, os.ErrNotExist
	}
	return []byte(text), nil
}

func (v fakeVariables) Set(name string, data []byte) error {
	v.f.vars[name] = string(data)
	return v.f.tell("set", " %s", name)
}

func (v fakeVariables) Close() {}

// fakeNICs have leases from the beginning, or none at all.
type fakeNICs struct {
	leases     []nic.Lease
	count      int // of panics
	restoreErr error

	lock sync.Mutex // guards what follows
	told []string
	out  chan nic.Lease
}

func (f *fakeNICs) Leases() <-chan nic.Lease {
	f.lock.Lock()
	defer f.lock.Unlock()
	if f.out == nil {
		f.out = make(chan nic.Lease, len(f.leases))
		for _, l := range f.leases {
			f.out <- l
		}
	}
	return f.out
}

func (f *fakeNICs) Idle() bool { return true }

func (f *fakeNICs) tell(what string) {
	f.lock.Lock()
	defer f.lock.Unlock()
	f.told = append(f.told, what)
}

func (f *fakeNICs) Settle(index int) error { f.tell(fmt.Sprint("settle ", index)); return nil }
func (f *fakeNICs) Restore() error         { f.tell("restore"); return f.restoreErr }
func (f *fakeNICs) Stop()                  { f.tell("stop") }
func (f *fakeNICs) Panics() int            { return f.count }

// loopback is a lease on the loopback interface, over which the test's own
// servers can be asked.
func loopback() nic.Lease {
	return nic.Lease{Index: 1, Name: "lo", HW: net.HardwareAddr{2, 0, 0, 0, 0, 1}, By: nic.ByDHCP4,
		Prefix: netip.MustParsePrefix("127.0.0.1/8"), Gateway: netip.MustParseAddr("127.0.0.2"), DNS: []netip.Addr{netip.MustParseAddr("127.0.0.3")}}
}

// A lab is an initrd, a sysfs, a run directory and a root, all in directories
// of the test's.
type lab struct {
	t       *testing.T
	machine *fakeMachine
	env     Env
	root    string
	log     bytes.Buffer
}

// newLab makes one whose kernel was given these words.
func newLab(t *testing.T, words string) *lab {
	l := &lab{t: t, machine: &fakeMachine{refusals: map[string]error{}, worker: 4711}, root: t.TempDir()}
	l.env = Env{Version: "test", Machine: l.machine, Run: filepath.Join(t.TempDir(), "boothook"), Initrd: t.TempDir(), Sysfs: t.TempDir(), LogTo: &l.log}
	l.initrd("/proc/cmdline", words+"\n")
	write(t, filepath.Join(l.root, "etc/passwd"), "root:x:0:0::/root:/bin/sh\n")
	write(t, filepath.Join(l.root, "etc/shadow"), "root:*:19000:0:99999:7:::\n")
	write(t, filepath.Join(l.root, "etc/group"), "root:x:0:\n")
	write(t, filepath.Join(l.root, "lib/systemd/systemd"), "")
	write(t, filepath.Join(l.root, "sbin/x"), "")
	if err := os.Symlink("../lib/systemd/systemd", filepath.Join(l.root, "sbin/init")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(l.env.Run, 0o755); err != nil {
		t.Fatal(err)
	}
	return l
}

// initrd writes a file of the initrd.
func (l *lab) initrd(path, text string) {
	l.t.Helper()
	write(l.t, filepath.Join(l.env.Initrd, path), text)
}

// seed bakes a seed in.
func (l *lab) seed(userData string) {
	l.t.Helper()
	l.initrd(bakedSeed+"/meta-data", "instance-id: i-1\nlocal-hostname: baked\n")
	l.initrd(bakedSeed+"/user-data", userData)
}

// ec2 makes it a machine of EC2, by what its firmware says.
func (l *lab) ec2() { l.env.Sysfs = machineSysfs(l.t) }

// run runs a boot as the worker does, with the root there at once.
func (l *lab) run() *report.Report {
	l.t.Helper()
	b, err := newBoot(l.env)
	if err != nil {
		l.t.Fatal(err)
	}
	b.awaitRoot = func(context.Context) (string, error) { return l.root, nil }
	b.apply = root.Options{AnyOwner: true}
	return b.run(l.t.Context())
}

// report is the one in the run directory.
func (l *lab) report() *report.Report {
	l.t.Helper()
	r, err := report.Decode([]byte(l.read(l.env.path(reportName))))
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

func (l *lab) read(path string) string {
	l.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		l.t.Fatal(err)
	}
	return string(text)
}
