// Package vm is the laboratory behind "boothook boot": a private network with
// real DHCP and DNS, and QEMU guests on it.
//
// In goes a disk image, a kernel, an initrd and what the network is to serve;
// out come facts with host times: every line of the serial console, every
// frame the guest sent or got from power-on, every banner a port showed, and
// files read from the disk after power-off. All times count from power-on.
//
// A guest never writes to the image it was given, only to a copy; nothing
// here reaches the machine's own network, and what a Network starts ends with
// it. The package needs root, for the network namespace and the tap device.
package vm
