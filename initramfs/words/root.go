package words

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// DefaultRootWait is how long the root device may take to appear.
const DefaultRootWait = 30 * time.Second

// Root is for initramfs/pid1: how the root is found and what is started in
// it, in the words that the kernel and systemd have for that (the kernel's
// Documentation/admin-guide/kernel-parameters.txt, systemd-fsck(8)).
type Root struct {
	// Device is root= as written.
	Device string
	// FSType is rootfstype=, Flags rootflags=; each may name several,
	// separated by commas.
	FSType, Flags string
	// ReadWrite is whether rw stands later than any ro.
	ReadWrite bool
	// Wait is how long the device may take: rootdelay=SECONDS or
	// rootwait=SECONDS; 0 is rootwait, for ever.
	Wait time.Duration
	// Init is init=; empty: where the kernel looks.
	Init string
	// Fsck is fsck.mode=: auto, force or skip.
	Fsck string
	// Modules are to be loaded first: modules_load= and rd.modules_load=.
	Modules []string
}

// apply reads one word, if it is about the root.
func (r *Root) apply(w word) error {
	switch w.key {
	case "root":
		r.Device = w.value
	case "rootfstype":
		r.FSType = w.value
	case "rootflags":
		r.Flags = w.value
	case "ro":
		r.ReadWrite = false
	case "rw":
		r.ReadWrite = true
	case "rootwait", "rootdelay":
		if w.key == "rootwait" && !w.hasValue {
			r.Wait = 0
			return nil
		}
		n, err := strconv.Atoi(w.value)
		if err != nil || n < 0 || n > int(maxDuration/time.Second) {
			return fmt.Errorf("%s=%s: want a number of seconds, at most 3600", w.key, w.value)
		}
		// A delay of nothing is no order to wait for ever.
		r.Wait = max(time.Duration(n)*time.Second, time.Nanosecond)
	case "init":
		r.Init = w.value
	case "fsck.mode":
		if w.value != "auto" && w.value != "force" && w.value != "skip" {
			return fmt.Errorf("fsck.mode=%s: want auto, force or skip", w.value)
		}
		r.Fsck = w.value
	case "modules_load", "rd.modules_load", "modules-load":
		r.Modules = append(r.Modules, strings.FieldsFunc(w.value, func(c rune) bool { return c == ',' })...)
	}
	return nil
}
