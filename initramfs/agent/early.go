package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"boothook/initramfs/modules"
	"boothook/initramfs/report"
	"boothook/initramfs/words"
	"boothook/netboot/platform"
	"boothook/netboot/source"
)

// Early is the early call: the initrd's scripts make it as soon as there is
// /proc, /sys and /run. It finds out whether there is anything to do; if so it
// leaves a worker behind, which goes on while the root device is still being
// found, and returns at once. On a machine without any sign of a cloud it
// sends nothing and leaves nobody behind.
func Early(e Env) error {
	start := e.now()
	options, err := e.Words()
	if err != nil {
		return err
	}
	log := NewLog(options.Debug, e.LogTo)
	if options.Mode == words.Off {
		log.Infof("off, by a word of the kernel's command line")
		return nil
	}
	if err := os.MkdirAll(e.Run, 0o755); err != nil {
		return fmt.Errorf("make the run directory: %w", err)
	}
	matches := source.Detect(e.evidence(options))
	if e.loadFor(matches, log) {
		matches = source.Detect(e.evidence(options))
	}
	if len(matches) == 0 {
		r := &report.Report{Schema: report.Schema, Version: e.Version,
			Result: report.NoPlatform, Problems: options.Warnings}
		r.Mark(start, "early call")
		r.Mark(e.now(), "no sign of a cloud")
		log.Infof("no sign of a cloud, so nothing is asked and nothing changed (%.1f ms)",
			(e.now()-start).Seconds()*1000)
		return e.write(r)
	}
	e.Coldplug = !e.ByHand && beforeColdplug()
	return e.leaveWorker(start)
}

// beforeColdplug says that this is dracut's initrd and its udevd is yet to
// start.
func beforeColdplug() bool {
	return anyExists("/lib/dracut-lib.sh", "/usr/lib/dracut-lib.sh") && !anyExists(udevDir+"/control")
}

// loadFor loads the modules without which a source cannot be seen, and which
// nobody else would load in time. It says whether there is more to be seen now.
// A machine that is known already, and was told no other source, does without:
// that takes longer than all the rest of the early call.
func (e *Env) loadFor(matches []platform.Match, log *Log) (loaded bool) {
	if e.ByHand {
		return false
	}
	for _, name := range source.Modules(e.Sysfs, matches) {
		loader, err := modules.Running(func(line string) { log.Debugf("%s", line) })
		if err == nil {
			err = loader.Load(context.Background(), name)
		}
		if err != nil {
			log.Debugf("load %s: %v", name, err)
			continue
		}
		loaded = true
	}
	return loaded
}

// evidence is what says where we are: the kernel's words and the machine.
func (e *Env) evidence(o words.Options) *platform.Evidence {
	evidence := platform.Read(e.Sysfs)
	evidence.Only, evidence.Words, evidence.CloudConfig = o.Source.Names, o.Source.Words, o.Inject.CloudConfig
	return &evidence
}

// listenerFD is where the worker finds the door that the early call opened.
const listenerFD = 3

// leaveWorker starts this program again as the worker, in a session of its
// own, with its standard error in a file: if a library panics, the late call
// finds the trace there.
func (e *Env) leaveWorker(start time.Duration) error {
	door, err := listen(e.path(socketName))
	if err != nil {
		return err
	}
	defer door.Close()
	trace, err := os.OpenFile(e.path(workerLogName), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("make the worker's log: %w", err)
	}
	defer trace.Close()
	worker := exec.Command("/proc/self/exe", "work", strconv.FormatInt(int64(start), 10), strconv.FormatBool(e.Seeded), strconv.FormatBool(e.Coldplug))
	worker.Stdout, worker.Stderr = trace, trace
	worker.ExtraFiles = []*os.File{door}
	worker.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := worker.Start(); err != nil {
		return fmt.Errorf("leave a worker: %w", err)
	}
	if err := e.mark(worker.Process.Pid); err != nil {
		return errors.Join(fmt.Errorf("mark the worker: %w", err), worker.Process.Kill())
	}
	return worker.Process.Release()
}
