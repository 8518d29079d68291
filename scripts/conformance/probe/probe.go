// Package probe puts questions to Python code of another system, such as
// cloud-init in a Debian root: JSON goes in by standard input and comes back by
// standard output.
package probe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
)

// Command is Python in the root file system chroot, or in this one if that is
// empty, with program to run. Entering a root needs root's rights.
func Command(chroot, program string) *exec.Cmd {
	cmd := exec.Command("python3", "-c", program)
	if chroot != "" {
		cmd = exec.Command("chroot", chroot, "python3", "-c", program)
	}
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"}
	cmd.Stderr = os.Stderr
	return cmd
}

// Ask runs the program with question as JSON and reads its answer.
func Ask(chroot, program string, question, answer any) error {
	in, err := json.Marshal(question)
	if err != nil {
		return err
	}
	cmd := Command(chroot, program)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("run Python in %q: %w", chroot, err)
	}
	if err := json.Unmarshal(out, answer); err != nil {
		return fmt.Errorf("read what Python in %q answered: %w", chroot, err)
	}
	return nil
}
