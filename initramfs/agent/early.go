package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"boothook/initramfs/modules"
	"boothook/initramfs/report"
	"boothook/initramfs/words"
	"boothook/netboot/platform"
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
	signs := platform.Detect(e.evidence(options))
	if (len(signs) == 0 || slices.Contains(options.Source.Names, "fwcfg")) && e.loadFWCfg(log) {
		signs = platform.Detect(e.evidence(options))
	}
	if len(signs) == 0 {
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

// loadFWCfg loads the driver of QEMU's fw_cfg, which nobody else would in time,
// where the device is there and the driver is not. It says whether it did. A
// machine that is known already, and was told no other source, does without:
// that takes longer than all the rest of the early call.
func (e *Env) loadFWCfg(log *Log) bool {
	if e.ByHand || anyExists(e.Sysfs+"/firmware/qemu_fw_cfg") || !anyExists(e.Sysfs+"/bus/acpi/devices/QEMU0002:00") {
		return false
	}
	loader, err := modules.Running(func(line string) { log.Debugf("%s", line) })
	if err == nil {
		err = loader.Load(context.Background(), "qemu_fw_cfg")
	}
	if err != nil {
		log.Debugf("load fw_cfg's driver: %v", err)
	}
	return err == nil
}

// evidence is what says where we are: the kernel's words and the machine.
func (e *Env) evidence(o words.Options) platform.Evidence {
	evidence := platform.Read(e.Sysfs)
	evidence.Only = o.Source.Names
	evidence.Words = slices.Clone(o.Source.Signs)
	if o.Source.DS != "" {
		evidence.Words = append(evidence.Words, "ds="+o.Source.DS)
	}
	if o.Source.CloudConfigURL != "" {
		evidence.Words = append(evidence.Words, "cloud-config-url="+o.Source.CloudConfigURL)
		// MAAS says who it is by cc: {'datasource_list': ['MAAS']}.
		if strings.Contains(o.Inject.CloudConfig, "MAAS") {
			evidence.Words = append(evidence.Words, "maas")
		}
	}
	return evidence
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
