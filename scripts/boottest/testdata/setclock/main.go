// Setclock sets the clock to seconds after 1970 that are in the environment,
// where the kernel puts words that it does not know, and becomes /init. QEMU's
// clock cannot say what comes after the year 2099.
package main

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

func main() {
	seconds, err := strconv.ParseInt(os.Getenv("setclock"), 10, 64)
	if err == nil {
		err = unix.ClockSettime(unix.CLOCK_REALTIME, &unix.Timespec{Sec: seconds})
	}
	if err == nil {
		err = unix.Exec("/init", []string{"/init"}, os.Environ())
	}
	fmt.Println("setclock:", err)
	os.Exit(1)
}
