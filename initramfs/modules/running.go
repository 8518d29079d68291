package modules

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Running makes a loader for the running kernel's modules, with the policy
// that its command line and modprobe.d(5) have. For log see NewLoader.
func Running(log func(string)) (*Loader, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return nil, fmt.Errorf("uname: %w", err)
	}
	index, err := ReadIndex(filepath.Join("/lib/modules", unix.ByteSliceToString(name.Release[:])))
	if err != nil {
		return nil, err
	}
	cmdline, _ := os.ReadFile("/proc/cmdline") // without it there are no parameters
	return NewLoader(index, ReadPolicy("/", string(cmdline)), log), nil
}
