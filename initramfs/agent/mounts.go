package agent

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"boothook/initramfs/modules"
	"boothook/injector/root"
)

const (
	// runMount is the initrd's /run, which the root will have as its own.
	runMount = "/run"
	// volatileName is where, in the run directory, what is written to a root
	// that cannot be written is kept.
	volatileName = "volatile"
	// loadTime is what loading one module may take.
	loadTime = 10 * time.Second
)

// mounts says how the root is made writable. By hand nothing of the running
// system becomes the root's, and nothing stays mounted unless asked for.
func (b *boot) mounts(dir string) root.MountOptions {
	if b.env.ByHand {
		return root.MountOptions{Volatile: b.env.Volatile}
	}
	return root.MountOptions{Run: runMount, Volatile: b.env.path(volatileName), Load: func(module string) error {
		return b.loadModule(dir, module)
	}}
}

// loadModule loads a module of the initrd's or, if it lacks it, of the root's.
func (b *boot) loadModule(dir, module string) error {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return fmt.Errorf("uname: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), loadTime)
	defer cancel()
	var errs []error
	for _, top := range []string{"/", dir} {
		index, err := modules.ReadIndex(filepath.Join(top, "lib/modules", unix.ByteSliceToString(name.Release[:])))
		if err == nil {
			err = modules.NewLoader(index, modules.Policy{}, nil).Load(ctx, module)
		}
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
