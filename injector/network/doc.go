// Package network turns network-config into files that the root's own network
// daemon reads, so that its very first start already uses them.
//
// In go the document in cloud-init's version 1 or version 2 (netplan's) form,
// as the source gave it, and the root's facts; out come plan steps for
// netplan, ifupdown, NetworkManager or systemd-networkd, whichever the root
// has, and problems. It does no I/O and knows nothing of the network that the
// agent itself fetched with.
//
// The forms are those of "Networking config Version 1" and "Version 2" in
// cloud-init's documentation. A link or a value that cannot be used is left
// out with a problem that names its line, never the others. What is beyond
// ethernets, bonds, bridges and vlans (wifis, tunnels, vrfs) is netplan's
// alone: where the root has netplan, a version 2 document goes there as it is.
package network
