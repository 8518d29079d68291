package agent

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"boothook/initramfs/klog"
	"boothook/initramfs/report"
	"boothook/initramfs/words"
)

// The files in the run directory.
const (
	socketName    = "agent.sock"
	reportName    = "report.json"
	workerLogName = "worker.log"
	workerPIDName = "worker.pid"
	hookLogName   = "hooks.log"
)

// maxCmdline bounds what is read of a command line.
const maxCmdline = 64 << 10

// bakedWords is where bake puts the words it was given.
const bakedWords = "/etc/boothook/cmdline"

// An Env is what the agent sees of the world. The zero value of a field that
// is a path means the real place.
type Env struct {
	// Version goes into the report and the User-Agent.
	Version string
	// Machine is the kernel.
	Machine Machine
	// Run is the run directory, /run/boothook at boot. It moves along to
	// the real root at the pivot.
	Run string
	// Initrd is where the initrd's files are, "/" at boot.
	Initrd string
	// Sysfs is where the machine is identified, /sys at boot.
	Sysfs string
	// Cmdline is the kernel's command line where ByHand; else /proc/cmdline
	// and /etc/boothook/cmdline (the words that were baked in) are read.
	Cmdline string
	// Hint is the file by which the initrd remembers that its machine had
	// nothing to ask: see state.Hint. There is none ByHand unless it is set.
	Hint string
	// ByHand says that no initrd is around us: no udev to wait for, any
	// Ethernet link will do, the root is a directory that is there already.
	ByHand bool
	// Seeded says that the root holds a seed; the late call has seen.
	Seeded bool
	// Coldplug says that drivers have to wait for udevd's coldplug. dracut's
	// init calls "udevadm control" between the start of udevd and that. If a
	// device appears meanwhile, the worker that udevd forks for it holds the
	// connection open too (seen with systemd 257), and the init waits until
	// udevd ends its idle workers, after 3 to 4 seconds.
	Coldplug bool
	// LogTo takes the log; nil means the kernel log.
	LogTo io.Writer
}

func (e *Env) path(name string) string { return filepath.Join(e.Run, name) }

// initrd is the place of a file of the initrd.
func (e *Env) initrd(path string) string { return filepath.Join("/", e.Initrd, path) }

// has says that the initrd has one of these files.
func (e *Env) has(paths ...string) bool {
	for _, path := range paths {
		if exists(e.initrd(path)) {
			return true
		}
	}
	return false
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// log is the log that the kernel's words ask for.
func (e *Env) log(o *words.Options) *klog.Log { return klog.New(o.Debug, e.LogTo) }

// now is the time since the kernel started.
func now() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// Words reads the command lines: the kernel's, and the one that was baked in.
func (e *Env) Words() (words.Options, error) {
	if e.ByHand {
		return words.Parse("", e.Cmdline), nil
	}
	kernel, err := readSome(e.initrd("/proc/cmdline"), maxCmdline)
	if err != nil {
		return words.Options{}, fmt.Errorf("read kernel words: %w", err)
	}
	baked, err := readSome(e.initrd(bakedWords), maxCmdline)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return words.Options{}, fmt.Errorf("read baked-in words: %w", err)
	}
	return words.Parse(string(baked), string(kernel)), nil
}

// readSome reads at most max bytes of a file.
func readSome(path string, max int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, max))
}

// write puts the report into the run directory. A reader finds the old one or
// the new one, never a half.
func (e *Env) write(r *report.Report) error {
	text, err := r.Encode()
	if err != nil {
		return err
	}
	path := e.path(reportName)
	if err := os.WriteFile(path+".new", text, 0o644); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
