package pid1

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"boothook/initramfs/modules"
)

// IsModprobe says that a program started with these arguments is what the
// kernel calls when it lacks a module (kernel/module/kmod.c).
func IsModprobe(args []string) bool { return len(args) > 0 && filepath.Base(args[0]) == "modprobe" }

// Modprobe loads modules by name or alias, and returns the exit status. Of
// modprobe(8)'s options the kernel uses -q and --; all are ignored.
func Modprobe(ctx context.Context, args []string) int {
	loader, err := modules.Running(nil)
	for _, name := range args {
		if err == nil && !strings.HasPrefix(name, "-") {
			err = loader.Load(ctx, name)
		}
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "modprobe: %v\n", err)
		return 1
	}
	return 0
}
