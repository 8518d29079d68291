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
//
// It reads the kernel's command line; package words lists what it knows.
// The exit status is 0 when it is done, 1 when it failed and 2 when it was
// called wrongly. A failure never has to stop the boot.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"boothook/initramfs/agent"
	"boothook/injector/hooks"
	"boothook/netboot/platform"
)

// version is set by the linker.
var version = "devel"

var errUsage = errors.New("usage: boothook-agent early | late --root DIR | run --root DIR --cmdline WORDS | platform | --version")

func main() {
	if hooks.IsInit(os.Args) {
		os.Exit(hooks.Init())
	}
	err := run(context.Background(), os.Args[1:])
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		os.Exit(0)
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	fmt.Fprintf(os.Stderr, "boothook-agent: %v\n", err)
	os.Exit(1)
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	env := agent.Env{Version: version, Run: "/run/boothook", Sysfs: "/sys"}
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
	}
	return errUsage
}

func late(ctx context.Context, env agent.Env, args []string) error {
	fs := flag.NewFlagSet("late", flag.ContinueOnError)
	root := fs.String("root", "", "where the root is mounted")
	if err := fs.Parse(args); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if *root == "" {
		return errUsage
	}
	return agent.Late(ctx, env, *root)
}

// work is what the early call leaves behind; nobody types it.
func work(ctx context.Context, env agent.Env, args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	start, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil {
		return errUsage
	}
	return agent.Work(ctx, env, time.Duration(start))
}

func byHand(ctx context.Context, env agent.Env, args []string) error {
	fs := flag.NewFlagSet("run", flag.ContinueOnError)
	root := fs.String("root", "", "the directory to work on")
	fs.StringVar(&env.Cmdline, "cmdline", "", "words as on the kernel's command line")
	fs.StringVar(&env.Run, "run", env.Run, "the run directory, for the report")
	fs.StringVar(&env.Sysfs, "sys", env.Sysfs, "where the machine is identified")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if *root == "" || fs.NArg() > 0 {
		return errUsage
	}
	env.ByHand, env.LogTo = true, os.Stderr
	r, err := agent.RunByHand(ctx, env, *root)
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
	matches := platform.Detect(platform.Read("/sys"))
	if len(matches) == 0 {
		_, err := fmt.Fprintln(w, "no sign of a cloud")
		return err
	}
	for _, m := range matches {
		if _, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", m.Source, m.Platform, m.Because, m.Sign); err != nil {
			return err
		}
	}
	return nil
}
