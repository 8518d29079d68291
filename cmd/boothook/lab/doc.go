// Package lab boots an image in QEMU for "boothook boot": a private network
// with DHCP, DNS and simulated EC2 metadata around one guest. It tells the
// progress, asks the booted guest how it went, powers it off and has the
// result. It needs root, for the network.
package lab
