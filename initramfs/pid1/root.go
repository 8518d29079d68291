package pid1

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/u-root/u-root/pkg/mount"
	"golang.org/x/sys/unix"

	"boothook/initramfs/modules"
	"boothook/injector/blkid"
)

// mountRoot finds the root device and mounts what is on it.
func (s *system) mountRoot(ctx context.Context) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	o := &s.options.Root
	if o.Wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.Wait)
		defer cancel()
	}
	w, err := parseRoot(o.Device)
	if err != nil {
		return err
	}
	if w.tag == "net" {
		if _, err := os.Stat(assembler); err != nil {
			return fmt.Errorf("root=%s is on the network, which %w", o.Device, errAssemble)
		}
		return s.runAssembler(ctx, "net", o.Device, target)
	}
	path, err := (&search{system: s, spec: w, sys: "/sys", dev: "/dev", known: map[string]*blkid.Device{}, handed: map[string]bool{}}).find(ctx)
	if err != nil {
		return err
	}
	s.log.Infof("the root device is %s", path)
	types := strings.FieldsFunc(o.FSType, func(c rune) bool { return c == ',' })
	if len(types) == 0 {
		fstype, err := fsType(path)
		if err != nil {
			return err
		}
		types = []string{fstype}
	}
	if err := s.fsck(path, types[0]); err != nil {
		return err
	}
	return s.mount(ctx, path, types)
}

func fsType(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	super, err := blkid.Probe(f)
	if err != nil {
		return "", fmt.Errorf("root device %s: %w; rootfstype= can say what it is", path, err)
	}
	if super.Part() {
		return "", fmt.Errorf("root device %s is a %s, which %w", path, super.Type, errAssemble)
	}
	return super.Type, nil
}

// mount tries the types in their order.
func (s *system) mount(ctx context.Context, path string, types []string) error {
	flags, data := mountFlags(s.options.Root.Flags, s.options.Root.ReadWrite)
	var errs []error
	for _, fstype := range types {
		if s.loader != nil {
			if err := s.loader.Load(ctx, fstype); err != nil && !errors.Is(err, modules.ErrUnknown) {
				errs = append(errs, err)
			}
		}
		_, err := mount.Mount(path, target, fstype, data, flags)
		if err == nil {
			s.log.Infof("mounted %s (%s) as the root", path, fstype)
			return nil
		}
		errs = append(errs, fmt.Errorf("mount %s as %s: %w", path, fstype, err))
	}
	return errors.Join(errs...)
}

// The exit statuses of fsck(8).
const (
	fsckCorrected  = 1
	fsckReboot     = 2
	fsckUnresolved = 4
)

// fsck checks the root if its checker is in the initramfs. What cannot be
// repaired without a human is an error; so is a checker that needs a reboot
// and did not get one.
func (s *system) fsck(path, fstype string) error {
	checker := "/sbin/fsck." + fstype
	if _, err := os.Stat(checker); err != nil || s.options.Root.Fsck == "skip" {
		return nil
	}
	args := []string{"-a"}
	if s.options.Root.Fsck == "force" {
		args = append(args, "-f")
	}
	cmd := exec.Command(checker, append(args, path)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
	case !errors.As(err, &exit):
		s.log.Errorf("%s: %v; mounted unchecked", checker, err)
		return nil
	case exit.ExitCode() < 0 || exit.ExitCode() >= fsckUnresolved:
		return fmt.Errorf("%s %s: %w: it has to be repaired by hand", checker, path, err)
	case exit.ExitCode()&fsckReboot != 0:
		s.log.Warnf("%s %s: repaired, and has to reboot", checker, path)
		unix.Sync()
		return fmt.Errorf("reboot: %w", unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART))
	case exit.ExitCode() == fsckCorrected:
		s.log.Warnf("%s %s: repaired", checker, path)
	}
	// So systemd does not check it again (systemd-fsck-root.service).
	if err := os.MkdirAll("/run/initramfs", 0o755); err != nil {
		return err
	}
	return os.WriteFile("/run/initramfs/fsck-root", nil, 0o644)
}
