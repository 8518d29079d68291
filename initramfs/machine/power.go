package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// Shell runs the initrd's shell on the console and waits for its end.
func (*Machine) Shell(ctx context.Context) error {
	console, err := os.OpenFile("/dev/console", os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open the console: %w", err)
	}
	defer console.Close()
	// Not "-i", which u-root's shell does not know: on a terminal every shell
	// is interactive by itself.
	cmd := exec.CommandContext(ctx, "/bin/sh")
	if os.Getenv("PATH") == "" {
		cmd.Env = append(os.Environ(), "PATH=/sbin:/bin:/usr/sbin:/usr/bin")
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = console, console, console
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("run a shell: %w", err)
	}
	return nil
}

// Reboot restarts the machine.
func (*Machine) Reboot() error { return end(syscall.LINUX_REBOOT_CMD_RESTART) }

// PowerOff turns it off.
func (*Machine) PowerOff() error { return end(syscall.LINUX_REBOOT_CMD_POWER_OFF) }

// end ends the kernel. What is on disk is synced first.
func end(how int) error {
	syscall.Sync()
	if err := syscall.Reboot(how); err != nil {
		return fmt.Errorf("reboot(%#x): %w", how, err)
	}
	return nil
}
