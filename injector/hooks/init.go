package hooks

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	"golang.org/x/sys/unix"
)

// initName is argv[0] of the hook init, by which a program knows that it is
// to be that and nothing else.
const initName = "boothook-hooks"

const (
	// leftGrace is how long what a hook left running has to end by itself.
	leftGrace = 500 * time.Millisecond
	// maxLeft is how many of those processes are named.
	maxLeft = 16
)

// IsInit says that a program started with these arguments is the hook init
// and has to exit with what Init returns, before it does anything else.
func IsInit(args []string) bool { return len(args) == 1 && args[0] == initName }

// Init is the hook init: PID 1 of the hooks' namespace. It reads a request
// from standard input, prints output to standard output and results to
// descriptor 3, and returns the program's exit status. Run starts it; nobody
// else has a use for it.
func Init() int {
	syscall.CloseOnExec(3)
	say := json.NewEncoder(os.NewFile(3, "results"))
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "the hook init is not for use by hand")
		return 2
	}
	var req request
	if err := json.NewDecoder(os.Stdin).Decode(&req); err != nil {
		say.Encode(message{Error: fmt.Sprintf("read request: %v", err)})
		return 1
	}
	w, err := enter(req)
	if err != nil {
		say.Encode(message{Error: err.Error()})
		return 1
	}
	defer w.leave()
	out := &output{w: os.Stdout, left: MaxOutputAll}
	for _, h := range req.Hooks {
		r := w.runHook(h, req.Timeout, out)
		if err := say.Encode(message{Result: &r}); err != nil {
			return 1
		}
	}
	return 0
}

// An output is where the hooks' output goes, and how much more may.
type output struct {
	w    io.Writer
	left int64
}

// copy copies what a hook prints up to the bounds, and reads the rest too:
// a hook is never held up by what it prints.
func (o *output) copy(r io.Reader) (kept, dropped int64) {
	kept, _ = io.Copy(o.w, io.LimitReader(r, min(MaxOutput, o.left)))
	o.left -= kept
	dropped, _ = io.Copy(io.Discard, r)
	return kept, dropped
}

// settle waits until nobody is left in the namespace but the hook init, and
// kills who is still there after the grace. It gives the names of those it
// killed, and false when they would not die.
func settle(proc *os.File, grace time.Duration) (left []string, clean bool) {
	died := make(chan os.Signal, 1)
	signal.Notify(died, syscall.SIGCHLD)
	defer signal.Stop(died)
	if reap(died, grace) {
		return nil, true
	}
	left = processes(proc)
	syscall.Kill(-1, syscall.SIGKILL)
	return left, reap(died, dyingTime)
}

// reap takes leave of every child that ends within the time, the orphans that
// PID 1 inherits among them, and says whether none is left. died gets SIGCHLD.
func reap(died <-chan os.Signal, within time.Duration) bool {
	late := time.NewTimer(within)
	defer late.Stop()
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		switch {
		case pid > 0 || err == syscall.EINTR:
			continue
		case err != nil: // ECHILD
			return true
		}
		select {
		case <-died:
		case <-late.C:
			return false
		}
	}
}

// processes names the processes of the namespace but its PID 1, as proc, which
// is held open, has them.
func processes(proc *os.File) []string {
	dir, err := openIn(proc, ".", unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	var found []string
	more := 0
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err != nil || pid == 1 {
			continue
		}
		comm := readFrom(proc, name+"/comm")
		if comm == "" {
			continue // it has just ended
		}
		if len(found) == maxLeft {
			more++
			continue
		}
		found = append(found, printable(strings.TrimSpace(comm)))
	}
	if more > 0 {
		found = append(found, fmt.Sprintf("and %d more", more))
	}
	return found
}

// printable is a name that a console can be shown: a process can call itself
// an escape sequence.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, name)
}
