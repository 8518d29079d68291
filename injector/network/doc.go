// Package network turns network-config into files that the root's own network
// daemon reads, so that its very first start already uses them.
//
// In go the document in cloud-init's version 1 or version 2 (netplan's) form,
// as the source gave it, and the root's facts; out come plan steps for one of
// five renderers (netplan, ifupdown, NetworkManager, systemd-networkd and
// sysconfig), and problems. It does no I/O and knows nothing of the network
// that the agent itself fetched with.
//
// The forms are those of "Networking config Version 1" and "Version 2" in
// cloud-init's documentation and of netplan's YAML reference; keyTable lists
// the keys. Reading checks each value and what links say of each other, as
// netplan's own parser does: what is wrong in one link costs that link and what
// stands on it, never the others, and a problem names key and line. Each
// renderer then takes out what its daemon cannot do (refusals), with a problem
// each, and writes the rest. What is not said is left as systemd-networkd has
// it by default, but for DHCP's MTU and metric, which are netplan's.
//
// A gateway in none of the link's networks is on-link. Of two default routes
// with the same table and metric the first one counts.
//
// On netplan a version 2 document arrives whole, parsed and printed again,
// without the links that are left out.
package network
