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
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	os.Exit(cli.Main(ctx, cli.New(version), os.Args[1:]))
}
