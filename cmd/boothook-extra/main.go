// Boothook-extra does what few boots need, so that the agent, which is read and
// unpacked at every boot, need not hold the libraries for it. The agent runs it
// when it meets such a thing.
//
// Synopsis:
//
//	boothook-extra tls -host NAME -ca PATH [-not-before SECONDS] 3<>OUTSIDE 4<>INSIDE
//	boothook-extra --version
package main

import (
	"fmt"
	"os"
)

// version is set by the linker.
var version = "devel"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "boothook-extra: %v\n", err)
		os.Exit(1)
	}
}

// run does what the first argument names.
func run(args []string) error {
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	switch name {
	case "tls":
		return pipe(args[1:])
	case "--version":
		_, err := fmt.Println("boothook-extra", version)
		return err
	}
	return fmt.Errorf("want tls or --version as the first argument, not %q", name)
}
