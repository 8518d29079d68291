// Boothook is what an image builder types: it bakes the agent into an initrd,
// boots an image against simulated metadata, and shows, without booting
// anything, what user-data would do to a root.
//
// Synopsis:
//
//	boothook COMMAND [OPTIONS] [ARGUMENTS]
//
// "boothook help" lists the commands and "boothook COMMAND --help" explains
// one. "-" stands for standard input. Results go to standard output,
// everything else to standard error. The exit status is 0 when it is done,
// 1 when it failed and 2 when it was called wrongly.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the linker.
var version = "devel"

// An env is what a command sees of the world.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
}

// A command is one word that the tool understands.
type command struct {
	name     string
	synopsis string
	run      func(ctx context.Context, e env, args []string) error
}

func commands() []command {
	return []command{
		{"apply", "do to a root what user-data asks for", runApply},
		{"bake", "put the agent into an initrd", runBake},
		{"boot", "boot an image in QEMU with simulated metadata and show what happened", runBoot},
		{"build", "make a whole initramfs with the agent as its init", runBuild},
		{"lint", "check user-data", runLint},
		{"parts", "list the parts of user-data", runParts},
		{"plan", "show what user-data would write to a root", runPlan},
		{"report", "say what boothook did in this boot", runReport},
		{"serve", "run a simulated metadata service", runServe},
	}
}

// errUsage marks an error in how the tool was called: exit status 2.
var errUsage = errors.New("usage")

// usagef says what is wrong with the call.
func usagef(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errUsage, fmt.Sprintf(format, args...))
}

// newFlags gives a flag set that prints its help in the tool's form.
func newFlags(e env, name, synopsis, long string) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(e.stderr)
	fs.Usage = func() {
		fmt.Fprintf(fs.Output(), "usage: boothook %s\n\n%s\n\nOptions:\n", synopsis, long)
		fs.PrintDefaults()
	}
	return fs
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(Main(ctx, env{os.Stdin, os.Stdout, os.Stderr}, os.Args[1:]))
}

// Main runs the tool and returns its exit status.
func Main(ctx context.Context, e env, args []string) int {
	err := dispatch(ctx, e, args)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		fmt.Fprintf(e.stderr, "boothook: %v\nboothook: hint: \"boothook help\" lists the commands\n", err)
		return 2
	}
	fmt.Fprintf(e.stderr, "boothook: %v\n", err)
	return 1
}

func dispatch(ctx context.Context, e env, args []string) error {
	if len(args) == 0 {
		return usagef("no command given")
	}
	switch args[0] {
	case "help", "--help", "-h":
		printHelp(e.stdout)
		return nil
	case "version", "--version":
		fmt.Fprintf(e.stdout, "boothook %s\n", version)
		return nil
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.run(ctx, e, args[1:])
		}
	}
	return usagef("no command %q", args[0])
}

func printHelp(w io.Writer) {
	fmt.Fprintln(w, "usage: boothook COMMAND [OPTIONS] [ARGUMENTS]\n\nCommands:")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-8s %s\n", c.name, c.synopsis)
	}
	fmt.Fprintln(w, "\n\"boothook COMMAND --help\" explains one.")
}
