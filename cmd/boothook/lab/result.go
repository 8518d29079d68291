package lab

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"boothook/cmd/boothook/vm"
	"boothook/initramfs/report"
	"boothook/netboot/simulate"
)

// A Result is what is known of a boot when the guest is off again.
type Result struct {
	guest    *vm.Guest
	ports    []int
	stages   []vm.Line
	requests []simulate.Entry
	// report is nil when the agent left none. asked says that it comes from
	// the running system, so from this boot; else it is the disk's copy.
	report *report.Report
	asked  bool
	// sshd is what the guest's journal says of the ports that sshd listens
	// at; loginErr says why it is missing.
	sshd     []byte
	loginErr error
	// checked is what the script of --check printed; checkErr says why it
	// failed.
	checked  []byte
	checkErr error
}

// Print tells what happened, and fails if boothook did.
func (r *Result) Print(w io.Writer) error {
	fmt.Fprintln(w, "\nwhat happened")
	fmt.Fprintln(w, "=============")
	if r.report != nil {
		r.report.Text(w)
	} else {
		fmt.Fprintln(w, "no report of boothook's on the disk: it did not run")
	}
	fmt.Fprintln(w, "\nthe boot from outside, seconds since power-on:")
	for _, s := range r.stages {
		fmt.Fprintf(w, "  %8.3f  %s\n", s.At.Seconds(), s.Text)
	}
	if frames := r.guest.Capture.FromGuest(); len(frames) > 0 {
		fmt.Fprintf(w, "  %8.3f  the guest's first packet, of %d\n", frames[0].At.Seconds(), len(frames))
	}
	fmt.Fprintf(w, "metadata requests: %d\n", len(r.requests))
	for _, q := range r.requests {
		fmt.Fprintf(w, "  connection %d: %s %s: %d, %d bytes\n", q.Conn, q.Method, q.Path, q.Status, q.Bytes)
	}
	r.printPorts(w)
	for line := range strings.Lines(string(r.checked)) {
		fmt.Fprintf(w, "check: %s\n", strings.TrimSpace(line))
	}
	if r.report != nil && r.report.Result == report.Failed {
		return errors.New("the guest booted, but boothook failed in it")
	}
	if r.checkErr != nil {
		return fmt.Errorf("the guest booted, but its check failed: %w", r.checkErr)
	}
	return nil
}

// printPorts tells what the watched ports spoke.
func (r *Result) printPorts(w io.Writer) {
	for _, port := range r.ports {
		if spoke := r.guest.Prober.Banners(port); len(spoke) > 0 {
			fmt.Fprintf(w, "port %d: %s at %.3f s\n", port, spoke[0].Text, spoke[0].At.Seconds())
		} else {
			fmt.Fprintf(w, "port %d: silent, tried %d times since power-on\n", port, r.guest.Prober.Tries(port))
		}
	}
	for line := range strings.Lines(string(r.sshd)) {
		fmt.Fprintf(w, "sshd's journal: %s\n", strings.TrimSpace(line))
	}
	if r.loginErr != nil {
		fmt.Fprintf(w, "the guest could not be asked: %v\n", r.loginErr)
	}
}
