package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// asTarget says that this process is the one to which TestSecondSignal sends
// signals.
const asTarget = "BOOTHOOK_TEST_TARGET"

// The first signal lets the program end by itself, a later one ends it.
func TestSecondSignal(t *testing.T) {
	if os.Getenv(asTarget) != "" {
		ctx := ended()
		fmt.Println("ready")
		<-ctx.Done()
		for {
			fmt.Println("told")
		}
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestSecondSignal$")
	cmd.Env = append(os.Environ(), asTarget+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	told := 0
	for lines.Scan() {
		if lines.Text() == "told" {
			told++
		}
		if lines.Text() == "ready" || told > 0 && told%100 == 0 {
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
		if told > 1<<20 {
			cmd.Process.Kill()
		}
	}
	cmd.Wait()
	// A signal that meets Go's runtime while it dies of the one before may end it
	// as another: of a signal it must die, and not of the one that ends this test.
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); told == 0 || !status.Signaled() || status.Signal() == syscall.SIGKILL {
		t.Errorf("told %d times, then %v", told, cmd.ProcessState)
	}
}
