//go:build net

package pid1

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// asTarget says that this process is the init of a namespace, to which
// TestInitOutlivesSignals sends signals.
const asTarget = "BOOTHOOK_TEST_TARGET"

// rounds are so many that they take a moment. One that the signal ends may
// answer for as long as its other threads run.
const rounds = 10000

// TestInitOutlivesSignals: no signal by which somebody ends a program ends
// PID 1, for then the kernel would panic.
func TestInitOutlivesSignals(t *testing.T) {
	if os.Getenv(asTarget) != "" {
		outliveSignals()
		asked := make(chan os.Signal, 1)
		signal.Notify(asked, unix.SIGWINCH)
		for fmt.Println("alive", os.Getpid()); ; fmt.Println("alive", os.Getpid()) {
			<-asked
		}
	}
	for _, sig := range []syscall.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run", "^TestInitOutlivesSignals$")
			cmd.Env = append(os.Environ(), asTarget+"=1")
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { cmd.Process.Kill(); cmd.Wait() }()
			lines := bufio.NewScanner(out)
			for i := range rounds {
				if !lines.Scan() || lines.Text() != "alive 1" {
					t.Fatalf("after signal %d: %q", i, lines.Text())
				}
				if err := errors.Join(cmd.Process.Signal(sig), cmd.Process.Signal(unix.SIGWINCH)); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
