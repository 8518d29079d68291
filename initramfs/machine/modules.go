package machine

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"boothook/initramfs/klog"
	"boothook/initramfs/modules"
)

// loadTime is what loading one module may take.
const loadTime = 10 * time.Second

// modules gives what loads kernel modules.
func (m *Machine) modules(log *klog.Log) (*modules.Loader, error) {
	m.loading.Do(func() {
		m.loader, m.noModules = modules.Running(func(line string) { log.Debugf("%s", line) })
	})
	return m.loader, m.noModules
}

// Load loads a module that no device asks for, unless modules are the running
// system's.
func (m *Machine) Load(ctx context.Context, log *klog.Log, name string) error {
	if m.ByHand {
		return nil
	}
	loader, err := m.modules(log)
	if err != nil {
		return err
	}
	return loader.Load(ctx, name)
}

// loadFrom loads a module of the initrd's or, if it lacks it, of the root's.
func loadFrom(dir, module string) error {
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
