package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// volumeSpareKB is what a volume has beside its files, in KiB: tables, the
// root directory and rounding.
const volumeSpareKB = 2048

// MakeVolume makes a vfat image of files, which are named by their path on it.
// The label has at most eleven bytes. mkfs.vfat and mcopy, of the packages
// dosfstools and mtools, do it. Either the whole image is at path afterwards or
// nothing.
func MakeVolume(ctx context.Context, path, label string, files map[string][]byte) (err error) {
	dir, err := os.MkdirTemp(filepath.Dir(path), ".volume")
	if err != nil {
		return fmt.Errorf("make a volume: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	content, image := filepath.Join(dir, "content"), filepath.Join(dir, "image")
	size := volumeSpareKB
	for name, body := range files {
		to := filepath.Join(content, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return fmt.Errorf("make a volume: %w", err)
		}
		if err := os.WriteFile(to, body, 0o600); err != nil {
			return fmt.Errorf("make a volume: %w", err)
		}
		size += len(body)/512 + 1 // clusters and directories take some of it
	}
	if err := volumeTool(ctx, "mkfs.vfat", "-n", label, "-C", image, strconv.Itoa(size)); err != nil {
		return err
	}
	top, err := filepath.Glob(filepath.Join(content, "*"))
	if err != nil {
		return err
	}
	if err := volumeTool(ctx, "mcopy", append(append([]string{"-s", "-i", image}, top...), "::")...); err != nil {
		return err
	}
	return os.Rename(image, path)
}

func volumeTool(ctx context.Context, name string, args ...string) error {
	if path, err := exec.LookPath("/usr/sbin/" + name); err == nil {
		name = path // which is in the PATH of root alone
	}
	cmd := exec.CommandContext(ctx, name, args...)
	// The sizes of the image are no disk's, which mcopy would complain of.
	cmd.Env = append(os.Environ(), "MTOOLS_SKIP_CHECK=1")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("make a volume: %s (of dosfstools and mtools): %w\n%s", name, err, &output)
	}
	return nil
}
