// Boothook is what an image builder types: it bakes the agent into an initrd,
// boots an image against simulated metadata, and shows, without booting
// anything, what user-data would do to a root.
//
// Synopsis:
//
//	boothook COMMAND [flags] [ARGUMENTS]
//
// "boothook help" lists the commands and "boothook help COMMAND" explains
// one. "-" stands for standard input. Results go to standard output,
// everything else to standard error. The exit status is 0 when it is done,
// 1 when it failed and 2 when it was called wrongly.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"boothook/cmd/boothook/cli"
)

// version is set by the linker.
var version = "devel"

func main() {
	os.Exit(cli.Main(ended(), cli.New(version), os.Args[1:]))
}

// ended gives a context that ends with the first signal. The second ends the
// program, should it be at something that looks at no context.
func ended() context.Context {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx
}
