// Package pid1 is what the agent does where it is the init of an initramfs:
// the mounts that a system begins with, the drivers of its disks, the root
// device and its file system, and the pivot into it.
//
// In go the kernel's command line and what the kernel says of devices. Out
// comes the real init in the place of this process, with the arguments and the
// environment that the kernel gave to this one. The root is customized
// by a worker, another process of the same program, which the early call
// starts and the late call asks. If the worker fails, the root is booted all
// the same. Both calls are processes of their own, too.
//
// Nothing waits by polling, and nothing waits for ever, unless rootwait or
// boothook.onerror=shell says so. It never talks to a network and never
// writes to the root.
package pid1

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"boothook/initramfs/agent"
	"boothook/initramfs/klog"
	"boothook/initramfs/modules"
	"boothook/initramfs/words"
)

const (
	// target is where the root is mounted before it becomes "/".
	target = "/sysroot"
	// earlyTime bounds the early call, which waits for nobody.
	earlyTime = 20 * time.Second
	// lateTime bounds the late call, which bounds each stage of the worker
	// itself and all together to an hour.
	lateTime = time.Hour + time.Minute
	// endTime bounds the wait for the end of what was killed.
	endTime = 5 * time.Second
)

// IsInit says that a program started with these arguments is the init of an
// initramfs and has to call Run.
func IsInit(args []string) bool {
	return os.Getpid() == 1 && len(args) > 0 && filepath.Base(args[0]) == "init"
}

// A system is the machine as it comes up.
type system struct {
	began   moment
	env     *agent.Env
	options words.Options
	log     *klog.Log
	loader  *modules.Loader // nil if there are no modules
}

// Run is the boot. It returns only with an error, and then there is nothing
// that could be booted: the caller ends, and the kernel panics, for which
// panic= says what follows.
func Run(ctx context.Context, env agent.Env) error {
	s := &system{began: now(), env: &env, log: klog.New(false, nil)}
	outliveSignals()
	err := guarded(func() error { return s.boot(ctx) })
	s.log.Errorf("cannot boot: %v", err)
	return err
}

// outliveSignals makes a handler, which exec removes, and which keeps the
// runtime from ending PID 1 at a signal.
func outliveSignals() {
	signal.Notify(make(chan os.Signal, 1), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
}

// guarded makes a panic an error: PID 1 must not end by one.
func guarded(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return f()
}

// boot goes through the steps of a boot, up to the pivot.
func (s *system) boot(ctx context.Context) error {
	if err := mountBase(); err != nil {
		return err
	}
	options, err := s.env.Words()
	if err != nil {
		return err
	}
	s.options, s.log = options, klog.New(options.Debug, nil)
	early := s.call("early")
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s.startLoading(ctx)
	for {
		err := guarded(func() error { return s.mountRoot(ctx) })
		if err == nil {
			break
		}
		s.log.Errorf("no root: %v", err)
		if perr := s.env.OnError(ctx, s.log, options.OnError); options.OnError != words.Shell || perr != nil {
			return errors.Join(err, perr)
		}
	}
	if s.loader != nil && options.Mode != words.Off && s.env.WantsVolumes(options) {
		s.loader.Settle(ctx, modules.Storage, agent.SettleTime)
	}
	stop()
	if s.loader != nil {
		s.loader.End() // the driver of a slow controller would share the processor with the late call
	}
	_ = s.wait(early, earlyTime) // whatever it was, the late call reports it
	if options.Mode != words.Off {
		s.customize()
	}
	return s.pivot()
}

// startLoading begins to load the drivers of disks, those that the kernel
// shows now and those that it will show.
func (s *system) startLoading(ctx context.Context) {
	loader, err := modules.Running(func(line string) { s.log.Debugf("%s", line) })
	if err != nil {
		s.log.Warnf("load drivers: %v", err)
		return
	}
	s.loader = loader
	if err := loader.Load(ctx, s.options.Root.Modules...); err != nil {
		s.log.Warnf("%v", err)
	}
	go func() {
		if err := loader.Watch(ctx, modules.Storage, 0); err != nil && ctx.Err() == nil {
			s.log.Warnf("load drivers: %v", err)
		}
	}()
}

// call starts this program again, for one of its commands.
func (s *system) call(args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		s.log.Errorf("%s call: %v", args[0], err)
		return nil
	}
	return cmd
}

// wait waits for the end of a call, and makes one.
func (s *system) wait(cmd *exec.Cmd, within time.Duration) error {
	if cmd == nil {
		return errors.ErrUnsupported
	}
	watchdog := time.AfterFunc(within, func() { _ = cmd.Process.Kill() })
	defer watchdog.Stop()
	err := cmd.Wait()
	if err != nil {
		s.log.Errorf("%s call: %v", cmd.Args[1], err)
	}
	return err
}

// customize lets the worker have the root. A shell that boothook.onerror asks
// for runs within the late call, and takes the time it takes.
func (s *system) customize() {
	within := lateTime
	if s.options.OnError == words.Shell {
		within = 365 * 24 * time.Hour
	}
	_ = s.wait(s.call("late", "--root", target), within) // it has been told
}

// endOthers kills what is still there of the initramfs: the worker, should it
// hang. A program whose name begins with "@" serves the root file system and
// stays (systemd's "Root Storage Daemons").
func (s *system) endOthers() {
	end := time.Now().Add(endTime)
	processes, _ := os.ReadDir("/proc") // it is there, for so are the kernel's words
	for _, p := range processes {
		pid, err := strconv.Atoi(p.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		name, err := os.Readlink("/proc/" + p.Name() + "/exe")
		if err != nil { // a thread of the kernel
			continue
		}
		if args, err := os.ReadFile("/proc/" + p.Name() + "/cmdline"); err != nil || strings.HasPrefix(string(args), "@") {
			continue
		}
		s.log.Warnf("%s is still running, and is killed", name)
		kill(pid, time.Until(end))
	}
}

// kill kills a process and waits for its end.
func kill(pid int, within time.Duration) {
	fd, err := unix.PidfdOpen(pid, 0)
	_ = unix.Kill(pid, unix.SIGKILL) // it may have ended by now
	if err != nil {
		return
	}
	defer unix.Close(fd)
	_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, max(0, int(within.Milliseconds())))
}
