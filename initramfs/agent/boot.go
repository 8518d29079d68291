package agent

import (
	"context"
	"time"

	"boothook/initramfs/klog"
	"boothook/initramfs/report"
	"boothook/initramfs/words"
	"boothook/injector/root"
	"boothook/netboot/platform"
)

// A boot is what one run of the worker begins with. Nothing of it changes; what
// is found out on the way is passed on, and the report is the recorder's.
type boot struct {
	env      Env
	options  words.Options
	log      *klog.Log
	evidence *platform.Evidence
	matches  []platform.Match
	record   *report.Recorder
	// awaitRoot gives the root once it is mounted; progress says what begins
	// and how long it may take.
	awaitRoot func(context.Context) (string, error)
	progress  func(stage string, within time.Duration)
	// apply is how a plan is written.
	apply root.Options
}

func newBoot(e Env) (*boot, error) {
	options, err := e.Words()
	if err != nil {
		return nil, err
	}
	b := &boot{env: e, options: options, log: e.log(&options), progress: func(string, time.Duration) {}}
	b.evidence, b.matches = e.identify(&options)
	first := report.Report{Schema: report.Schema, Version: e.Version, BootID: bootID(), Problems: options.Warnings}
	if len(b.matches) > 0 && options.Mode != words.Off {
		first.Platform, first.Source = b.matches[0].Platform, b.matches[0].Source
		for i := range b.matches {
			first.Evidence = append(first.Evidence, b.matches[i].Because)
		}
	}
	b.record = report.NewRecorder(first, now)
	b.record.Mark("worker started")
	return b, nil
}

// bootID is the kernel's own id of this boot.
func bootID() string {
	id, err := readSome("/proc/sys/kernel/random/boot_id", 64)
	if err != nil || len(id) < 36 {
		return ""
	}
	return string(id[:36])
}
