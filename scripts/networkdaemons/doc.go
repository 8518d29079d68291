// Package networkdaemons shows what boothook writes to the daemons that are to
// read it: systemd-networkd and ifupdown of Debian 12 and 13, NetworkManager and
// netplan of Debian 13, each in namespaces of its own with two links, behind
// one of which a DHCP server answers. What ip(8) and the daemon report then must
// be what a person reads in the document.
//
// The test has the build tag "daemons" and needs root; "make
// test-network-daemons" runs it. Bonds, vlans and the like are left to kernels that have them.
package networkdaemons
