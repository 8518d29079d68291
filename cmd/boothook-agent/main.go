// Boothook-agent is the binary in the initramfs.
//
// Synopsis:
//
//	boothook-agent early                the initrd's early call
//	boothook-agent late --root DIR      the initrd's late call
//	boothook-agent run --root DIR --cmdline 'WORDS' [--run DIR]
//	                                    the whole cycle by hand, on a directory,
//	                                    in this network namespace
//	boothook-agent platform             which cloud this is, and why
//	/init                               all of an initramfs that "boothook
//	                                    build" made
//	/sbin/modprobe -q -- NAME           what the kernel itself calls there
//
// It reads the kernel's command line; package words lists what it knows.
// The exit status is 0 when it is done, 1 when it failed and 2 when it was
// called wrongly. A failure never has to stop the boot.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"boothook/initramfs/agent"
	"boothook/initramfs/machine"
	"boothook/initramfs/pid1"
	"boothook/injector/hooks"
	"boothook/netboot/platform"
	"boothook/netboot/source"
)

// version is set by the linker.
var version = "devel"

var errUsage = errors.New("usage: boothook-agent early | late --root DIR | run --root DIR --cmdline WORDS | platform | --version")

func main() {
	if hooks.IsInit(os.Args) {
		os.Exit(hooks.Init())
	}
	env := agent.Env{Version: version, Run: "/run/boothook", Sysfs: "/sys",
		Machine: &machine.Machine{Volatile: "/run/boothook/volatile"}}
	if pid1.IsInit(os.Args) {
		_ = pid1.Run(context.Background(), env) // it has said what is wrong
		os.Exit(1)
	}
	if pid1.IsModprobe(os.Args) {
		os.Exit(pid1.Modprobe(context.Background(), os.Args[1:]))
	}
	err := run(context.Background(), env, os.Args[1:])
	switch {
	case err == nil:
		os.Exit(0)
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	fmt.Fprintf(os.Stderr, "boothook-agent: %v\n", err)
	os.Exit(1)
}

func run(ctx context.Context, env agent.Env, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	switch args[0] {
	case "early":
		return agent.Early(env)
	case "late":
		return late(ctx, env, args[1:])
	case "work":
		return work(ctx, env, args[1:])
	case "run":
		return byHand(ctx, env, args[1:])
	case "platform":
		return tellPlatform(os.Stdout)
	case "version", "--version":
		fmt.Println("boothook-agent", version)
		return nil
	case "help", "-h", "--help":
		fmt.Println(errUsage)
		return nil
	}
	return errUsage
}

// ended gives a context that ends with the signals by which somebody ends a
// program, so that the network is put back and a report is left. PID 1 never
// comes here.
func ended(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
}

func late(ctx context.Context, env agent.Env, args []string) error {
	var root string
	if err := options(args, map[string]*string{"root": &root}); err != nil || root == "" {
		return errors.Join(errUsage, err)
	}
	return agent.Late(ctx, env, root)
}

// options reads --NAME VALUE and --NAME=VALUE, with one hyphen or two. Package
// flag would be 30 KB for four of them.
func options(args []string, known map[string]*string) error {
	for len(args) > 0 {
		name, value, has := strings.Cut(args[0], "=")
		args = args[1:]
		name, one := strings.CutPrefix(name, "-")
		to := known[strings.TrimPrefix(name, "-")]
		switch {
		case !one || to == nil:
			return fmt.Errorf("unknown option: %s", name)
		case !has && len(args) == 0:
			return fmt.Errorf("option needs a value: %s", name)
		case !has:
			value, args = args[0], args[1:]
		}
		*to = value
	}
	return nil
}

// work is what the early call leaves behind; nobody types it.
func work(ctx context.Context, env agent.Env, args []string) error {
	if len(args) != 3 {
		return errUsage
	}
	start, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil {
		return errUsage
	}
	env.Seeded, env.Coldplug = args[1] == "true", args[2] == "true"
	ctx, stop := ended(ctx)
	defer stop()
	return agent.Work(ctx, env, time.Duration(start))
}

func byHand(ctx context.Context, env agent.Env, args []string) error {
	var root string
	around := &machine.Machine{ByHand: true}
	// For tests: --sys is where the machine is identified, --hint what the
	// initrd would remember; --volatile is the directory in memory that holds
	// what is laid over a root that can never be written, and stays mounted.
	err := options(args, map[string]*string{"root": &root, "cmdline": &env.Cmdline, "run": &env.Run,
		"sys": &env.Sysfs, "hint": &env.Hint, "volatile": &around.Volatile})
	if err != nil || root == "" {
		return errors.Join(errUsage, err)
	}
	env.ByHand, env.Machine, env.LogTo = true, around, os.Stderr
	ctx, stop := ended(ctx)
	defer stop()
	r, err := agent.RunByHand(ctx, env, root)
	if err != nil {
		return err
	}
	r.Text(os.Stdout)
	if n := len(r.Failures()); n > 0 {
		return fmt.Errorf("%d problems", n)
	}
	return nil
}

func tellPlatform(w io.Writer) error {
	machine := platform.Read("/sys")
	matches := source.Detect(&machine)
	if len(matches) == 0 {
		_, err := fmt.Fprintln(w, "no sign of a cloud")
		return err
	}
	for _, m := range matches {
		if _, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", m.Source, m.Platform, m.Because, m.HardwareID); err != nil {
			return err
		}
	}
	return nil
}
