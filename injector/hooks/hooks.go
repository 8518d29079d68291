// Package hooks runs cloud-boothooks and bootcmd in the real root before the
// pivot. In go the place where a root is mounted, an instance-id, a
// resolv.conf and hooks in their order; out come one Result for each, and
// their output to a writer. It never reads user-data, never decides which
// hooks there are, and never writes anything to the root but the hooks' own
// files and the "instance" link, as cloud-init does before it runs them.
//
// # A sandbox of their own
//
// The hooks run as children of one process, the hook init: this program
// executed anew (see Init), as PID 1 of a PID namespace and in a mount
// namespace of its own, chrooted into the root. There it mounts /proc and
// binds the initrd's /sys, /dev and /run, puts a resolv.conf over the root's
// and a directory with cloud-init-per first in PATH, and runs one hook after
// the other. What a hook mounts is there for the next hook, and is gone with
// the namespace; what it leaves running is given a moment to end (the tail of
// "exec > >(tee …)") and is killed before the next hook starts.
//
// A PID namespace rather than a subreaper, because only the kernel kills
// faster than a fork bomb forks: kill(-1) by a namespace's PID 1 and the death
// of that PID 1 leave nobody out, and a hook's own "kill -9 -1" or reboot(2)
// reaches only the hooks. Its /proc is the namespace's, so that $$ and
// /proc/self mean what they should, except that /proc/1 is bound from
// outside: /proc/1/exe, /proc/1/root and /proc/1/cmdline are those of the init
// of the initrd, which is how programs tell where they are.
//
// Root hooks can do anything to a machine; what they cannot do here is keep
// the caller waiting. Every hook has its time, the hook init has the sum of
// them, and a process that will not even die (one that waits for a dead NFS
// server, say) is left behind after a grace, and said.
//
// # What a hook finds
//
// Standard input is /dev/null, output goes to Config.Output, the working
// directory is "/", the umask 022. The environment is PATH, HOME=/root,
// TERM=linux and INSTANCE_ID, nothing else. The file is
// /var/lib/cloud/instances/ID/boothooks/NAME, mode 0700, executed by its own
// "#!" line; on a file system mounted noexec that line's interpreter is
// given the file, and where the file cannot be written (a full or read-only
// file system) it runs from memory. bootcmd runs as "/bin/sh FILE" from
// memory. A hook that writes /etc/resolv.conf writes to the one that is bound
// there, and it does not last.
package hooks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Bounds.
const (
	// DefaultTimeout is the time one hook has where Config says none.
	DefaultTimeout = 120 * time.Second
	// MaxOutput is how much of one hook's output is kept, MaxOutputAll how
	// much of all of them, in bytes; the rest is read and dropped.
	MaxOutput    = 1 << 20
	MaxOutputAll = 8 << 20
	// MaxHooks bounds the hooks of one run.
	MaxHooks = 1024
	// maxResults bounds what the hook init may say, in bytes: a hook has its
	// descriptors within reach.
	maxResults = 4 << 20
	// setupTime is what mounting and cleaning may take beside the hooks.
	setupTime = 10 * time.Second
	// dyingTime is how long killed processes have to be gone.
	dyingTime = 3 * time.Second
)

// A Kind says what a hook is.
type Kind string

const (
	// Boothook is a cloud-boothook, stored in the root and executed directly.
	Boothook Kind = "boothook"
	// Bootcmd is the script that cloud-config's bootcmd renders to.
	Bootcmd Kind = "bootcmd"
	// PartHandlers are all part handlers of the user-data, in one program.
	PartHandlers Kind = "part-handlers"
)

// A Hook is one thing to run.
type Hook struct {
	Kind Kind `json:"kind"`
	// Name is the part's name; its form as a file name is found by Run.
	Name string `json:"name"`
	// Origin says where the part stands, for messages.
	Origin string `json:"origin,omitempty"`
	// Body is the exact content of the file that is executed.
	Body []byte `json:"body,omitempty"`
	// Parts and Frequency are for part handlers: see FromPartHandlers.
	Parts     []HandlerPart `json:"parts,omitempty"`
	Frequency string        `json:"frequency,omitempty"`
}

// Config says where and how hooks run.
type Config struct {
	// Root is where the root is mounted, as the calling thread sees it, and
	// writable in that thread's mount namespace.
	Root string
	// InstanceID is the id that the source gave.
	InstanceID string
	// ResolvConf is what /etc/resolv.conf reads during the hooks; empty
	// leaves the root's own.
	ResolvConf []byte
	// Timeout is for one hook; zero means DefaultTimeout.
	Timeout time.Duration
	// Output gets what the hooks print, under a line that names each; nil
	// drops it. It may hold secrets and belongs into a file of mode 0640.
	Output io.Writer
}

// A request is what the hook init is told.
type request struct {
	Root       string        `json:"root"`
	InstanceID string        `json:"instance_id"`
	ResolvConf []byte        `json:"resolv_conf,omitempty"`
	Timeout    time.Duration `json:"timeout_ns"`
	Hooks      []Hook        `json:"hooks"`
}

// Run runs the hooks, one after the other, and gives a Result for each, in
// their order. It has to be called on a goroutine locked to its thread when
// that thread's mount namespace is not the process's own. The program that
// calls it must call Init where IsInit says so.
//
// Should a hook take the hook init down with it (the kernel out of memory,
// say), that hook has failed, and those after it get another one.
func Run(ctx context.Context, c Config, hooks []Hook) []Result {
	// The hook init dies with the thread that started it (Pdeathsig), and
	// starts in that thread's mount namespace.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	var results []Result
	failed := func(err error) {
		h := hooks[len(results)]
		results = append(results, Result{Name: h.Name, Kind: h.Kind, Origin: h.Origin, Status: -1, Error: err.Error()})
	}
	runnable := min(len(hooks), MaxHooks)
	for len(results) < runnable {
		done, err := run(ctx, c, hooks[len(results):runnable])
		results = append(results, done...)
		switch {
		case err == nil && len(done) > 0:
		case errors.Is(err, errSetup) || ctx.Err() != nil:
			for len(results) < runnable {
				failed(fmt.Errorf("did not run: %w", err))
			}
		case len(results) < runnable:
			failed(fmt.Errorf("ended with its hook init: %v", err))
		}
	}
	for len(results) < len(hooks) {
		failed(fmt.Errorf("did not run: at most %d hooks do", MaxHooks))
	}
	return results
}

// errSetup marks what keeps every hook from running.
var errSetup = errors.New("set up hooks")

// Budget is the longest that n hooks can keep their caller waiting, as long as
// none of them takes the hook init with it. A timeout of zero is the default.
func Budget(n int, timeout time.Duration) time.Duration {
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	return setupTime + time.Duration(n)*(timeout+leftGrace+dyingTime)
}

// run starts the hook init, feeds it and collects its results. The results it
// gives are those of the first hooks; the error says why there are no more.
func run(ctx context.Context, c Config, hooks []Hook) ([]Result, error) {
	req := request{Root: c.Root, InstanceID: c.InstanceID, ResolvConf: c.ResolvConf, Timeout: c.Timeout, Hooks: hooks}
	if req.Timeout <= 0 {
		req.Timeout = DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, Budget(len(hooks), req.Timeout))
	defer cancel()

	tell, err := json.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSetup, err)
	}
	said, say, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSetup, err)
	}
	defer said.Close()
	trace := &head{max: 4 << 10}
	cmd := initCommand(c.Output, trace, say, tell)
	err = cmd.Start()
	say.Close()
	if errors.Is(err, syscall.EINVAL) {
		err = fmt.Errorf("this kernel lacks PID or mount namespaces: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSetup, err)
	}
	results, err := collect(ctx, cmd, said)
	for _, dir := range memoryDirs() {
		os.Remove(dir) // empty, and there only when the hook init was killed
	}
	if line := trace.line(); err != nil && line != "" {
		err = fmt.Errorf("%w: %s", err, line)
	}
	return results, err
}

// initCommand is the hook init, in namespaces of its own.
func initCommand(output, trace io.Writer, say *os.File, tell []byte) *exec.Cmd {
	return &exec.Cmd{
		Path:       "/proc/self/exe",
		Args:       []string{initName},
		Env:        []string{},
		Dir:        "/",
		Stdin:      bytes.NewReader(tell),
		Stdout:     output,
		Stderr:     trace,
		ExtraFiles: []*os.File{say},
		// What holds our pipes open after its death does not hold us.
		WaitDelay: time.Second,
		SysProcAttr: &syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
			Pdeathsig:  syscall.SIGKILL,
			Setsid:     true,
		},
	}
}

// collect reads results until the hook init is gone, and kills it when the
// context ends. A process that will not die is left behind.
func collect(ctx context.Context, cmd *exec.Cmd, said *os.File) ([]Result, error) {
	type outcome struct {
		results []Result
		err     error
	}
	read := make(chan outcome, 1)
	go func() {
		results, err := decodeResults(said)
		read <- outcome{results, err}
	}()
	gone := make(chan error, 1)
	go func() { gone <- cmd.Wait() }()

	var err error
	select {
	case err = <-gone:
		err = explainEnd(err)
	case <-ctx.Done():
		cmd.Process.Kill()
		err = ctx.Err()
		select {
		case <-gone:
		case <-time.After(dyingTime):
			err = fmt.Errorf("%w; its processes would not die", err)
		}
	}
	said.SetReadDeadline(time.Now().Add(dyingTime))
	out := <-read
	if out.err != nil { // what the hook init says of itself says more
		err = out.err
	}
	return out.results, err
}

// explainEnd tells a reboot(2) within the namespace from other deaths: the
// kernel then ends the hook init as if by a signal (pid_namespaces(7)).
func explainEnd(err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	switch ws := exit.Sys().(syscall.WaitStatus); ws.Signal() {
	case syscall.SIGHUP:
		return errors.New("it asked for a reboot, which hooks cannot have")
	case syscall.SIGINT:
		return errors.New("it asked for the machine to be halted, which hooks cannot have")
	}
	return err
}

// A message is one line that the hook init says.
type message struct {
	Result *Result `json:"result,omitempty"`
	// Error says why no hook can run.
	Error string `json:"error,omitempty"`
}

// decodeResults reads messages until there are no more.
func decodeResults(r io.Reader) ([]Result, error) {
	dec := json.NewDecoder(io.LimitReader(r, maxResults))
	var results []Result
	for {
		var m message
		err := dec.Decode(&m)
		switch {
		case errors.Is(err, io.EOF):
			return results, nil
		case err != nil:
			return results, fmt.Errorf("read results: %w", err)
		case m.Error != "":
			return results, fmt.Errorf("%w: %s", errSetup, m.Error)
		case m.Result != nil:
			results = append(results, *m.Result)
		}
	}
}

// A head keeps the first bytes that are written to it: a crash says what is
// the matter in its first line.
type head struct {
	max int
	buf []byte
}

func (h *head) Write(b []byte) (int, error) {
	h.buf = append(h.buf, b[:min(len(b), h.max-len(h.buf))]...)
	return len(b), nil
}

func (h *head) line() string {
	line, _, _ := strings.Cut(string(h.buf), "\n")
	return strings.TrimSpace(line)
}
