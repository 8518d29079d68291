package guestinfo

import "golang.org/x/sys/unix"

// readPort reads the backdoor's port with the registers set; in port_amd64.s.
//
//go:noescape
func readPort(r *registers)

// port makes one call of the hypervisor; nil on processors without the port.
func port() func(*registers) { return readPort }

// permitPort lets this thread use the port. VMware answers without it too, so
// that a kernel in lockdown, which refuses, is no obstacle there.
func permitPort() {
	unix.Syscall(unix.SYS_IOPERM, portNumber, 4, 1)
}
