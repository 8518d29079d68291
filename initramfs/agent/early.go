package agent

import (
	"context"
	"fmt"
	"os"

	"boothook/initramfs/klog"
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
	start := now()
	options, err := e.Words()
	if err != nil {
		return err
	}
	log := e.log(&options)
	if options.Mode == words.Off {
		log.Infof("off, by a word of the kernel's command line")
		return nil
	}
	if err := os.MkdirAll(e.Run, 0o755); err != nil {
		return fmt.Errorf("make the run directory: %w", err)
	}
	matches := source.Detect(e.evidence(&options))
	if e.loadFor(matches, log) {
		matches = source.Detect(e.evidence(&options))
	}
	if len(matches) == 0 {
		r := &report.Report{Schema: report.Schema, Version: e.Version,
			Result: report.NoPlatform, Problems: options.Warnings}
		r.Mark(start, "early call")
		r.Mark(now(), "no sign of a cloud")
		log.Infof("no sign of a cloud, so nothing is asked; volumes and the root are looked at when they are there (%.1f ms)",
			(now()-start).Seconds()*1000)
		return e.write(r)
	}
	e.Coldplug = !e.ByHand && e.beforeColdplug()
	return e.leaveWorker(start)
}

// beforeColdplug says that this is dracut's initrd and its udevd is yet to
// start.
func (e *Env) beforeColdplug() bool {
	return e.has("/lib/dracut-lib.sh", "/usr/lib/dracut-lib.sh") && !e.has("/run/udev/control")
}

// loadFor loads the modules without which a source cannot be seen, and which
// nobody else would load in time. It says whether there is more to be seen now.
// A machine that is known already, and was told no other source, does without:
// that takes longer than all the rest of the early call.
func (e *Env) loadFor(matches []platform.Match, log *klog.Log) (loaded bool) {
	if e.ByHand {
		return false
	}
	for _, name := range source.Modules(e.Sysfs, matches) {
		if err := e.Machine.Load(context.Background(), log, name); err != nil {
			log.Debugf("load %s: %v", name, err)
			continue
		}
		loaded = true
	}
	return loaded
}
