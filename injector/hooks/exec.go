package hooks

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"boothook/injector/state"
)

// oomScore makes the kernel take a hook before anything else when memory
// runs out (proc(5), oom_score_adj).
const oomScore = "800"

// runHook runs one hook to its end, and to the end of whatever it started.
func (s *sandbox) runHook(h Hook, timeout time.Duration, out *output) Result {
	r := Result{Name: h.Name, Kind: h.Kind, Origin: h.Origin, Status: -1, Started: time.Now().UTC(), Notes: s.notes}
	s.notes = nil // what holds for all is said once
	fmt.Fprintf(out.w, "== %s %s ==\n", h.Kind, h.Name)
	err := s.keepMemory()
	var argv []string
	var note string
	if err == nil {
		argv, note, err = s.prepare(h)
	}
	if note != "" {
		r.Notes = append(r.Notes, note)
	}
	if err == nil {
		err = s.execute(argv, timeout, out, &r)
	}
	if err == nil && h.Kind == PartHandlers && !r.TimedOut {
		r.Taken, err = s.taken()
	}
	if err != nil {
		r.Error = err.Error()
	}
	if r.Dropped > 0 {
		fmt.Fprintf(out.w, "\n== %d bytes more were dropped ==\n", r.Dropped)
	}
	fmt.Fprintf(out.w, "== %s %s: %s ==\n", h.Kind, h.Name, r.summary())
	return r
}

// prepare puts the hook where it can be run and gives the command for it.
func (s *sandbox) prepare(h Hook) (argv []string, note string, err error) {
	switch h.Kind {
	case Bootcmd:
		path := s.memory + "/bootcmd"
		if err := store(path, h.Body, 0o700); err != nil {
			return nil, "", fmt.Errorf("write bootcmd: %w", err)
		}
		return []string{"/bin/sh", path}, "", nil
	case PartHandlers:
		argv, err := s.prepareHandlers(h)
		return argv, "", err
	}
	return s.prepareBoothook(h)
}

// prepareBoothook stores a boothook and gives the command for it.
func (s *sandbox) prepareBoothook(h Hook) (argv []string, note string, err error) {
	name, err := state.FileName(h.Name)
	if err != nil {
		return nil, "", err
	}
	interpreter, err := shebang(h.Body)
	if err != nil {
		return nil, "", err
	}
	path := s.instance + "/boothooks/" + name
	if err := store(path, h.Body, 0o700); err != nil {
		note = fmt.Sprintf("from memory, since it could not be written: %v", err)
		path = s.memory + "/hook"
		if err := store(path, h.Body, 0o700); err != nil {
			return nil, note, fmt.Errorf("write %s: %w", path, err)
		}
	}
	if len(interpreter) > 0 && noexec(path) {
		return append(interpreter, path), note, nil
	}
	return []string{path}, note, nil
}

// store makes path a file with that body and mode; one that is so already is
// left alone.
func store(path string, body []byte, mode fs.FileMode) error {
	if fi, err := os.Lstat(path); err == nil && fi.Mode() == mode && fi.Size() == int64(len(body)) {
		if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, body) {
			return nil
		}
	}
	f, err := os.CreateTemp(path[:strings.LastIndexByte(path, '/')], ".boothook-*")
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	err = errors.Join(err, f.Chmod(mode), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// noexec says that the file system of path is mounted so.
func noexec(path string) bool {
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && st.Flags&unix.ST_NOEXEC != 0
}

// execute runs argv and what it leaves behind to their end, and fills in the
// result. The error says why it did not run.
func (s *sandbox) execute(argv []string, timeout time.Duration, out *output, r *Result) error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	r.Started = time.Now().UTC()
	cmd, err := s.start(argv, write)
	write.Close()
	if err != nil {
		return explain(argv[0], err)
	}
	writeTo(s.proc, strconv.Itoa(cmd.Process.Pid)+"/oom_score_adj", oomScore)

	copied := make(chan struct{})
	go func() {
		kept, dropped := out.copy(read)
		r.Output, r.Dropped = kept+dropped, dropped
		close(copied)
	}()
	var late atomic.Bool
	alarm := time.AfterFunc(timeout, func() {
		late.Store(true)
		syscall.Kill(-1, syscall.SIGKILL)
	})
	err = cmd.Wait()
	alarm.Stop()
	r.Duration, r.TimedOut = time.Since(r.Started), late.Load()
	var clean bool
	if r.Left, clean = settle(s.proc, leftGrace); !clean {
		read.Close() // who will not die may hold the other end for ever
		r.Notes = append(r.Notes, "leaving processes that would not die")
	}
	<-copied
	return r.ended(cmd.ProcessState, err)
}

// start starts argv, within the limit on tasks where the kernel can do that.
func (s *sandbox) start(argv []string, out *os.File) (*exec.Cmd, error) {
	cmd := &exec.Cmd{
		Path: argv[0], Args: argv, Env: s.environment(), Dir: "/",
		Stdin: s.null, Stdout: out, Stderr: out,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	s.limit.apply(cmd.SysProcAttr)
	err := cmd.Start()
	if err != nil && cmd.SysProcAttr.UseCgroupFD && noCloneIntoCgroup(err) {
		s.limit.remove()
		s.limit = nil
		return s.start(argv, out)
	}
	return cmd, err
}

// noCloneIntoCgroup says that the kernel is older than 5.7.
func noCloneIntoCgroup(err error) bool {
	return errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.E2BIG) || errors.Is(err, syscall.EINVAL)
}

// explain says in other words why the kernel would not execute a file.
func explain(path string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOEXEC):
		return fmt.Errorf("execute %s: the kernel knows no such kind of program: %w", path, err)
	case errors.Is(err, syscall.ENOENT):
		return fmt.Errorf("execute %s: it or its interpreter is not in the root: %w", path, err)
	}
	return fmt.Errorf("execute %s: %w", path, err)
}
