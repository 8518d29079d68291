// Package nettest proves the agent's own binary on the network: in namespaces,
// against real DHCP servers (dnsmasq, Kea) and the simulated clouds, judged by
// what the services and the wire saw and by what stands in the root
// afterwards. Nothing of the agent is linked in here but the report's form.
//
// The tests have the build tag "net", need root and what scripts/setup
// installs, and build the programs that they run. Run them by "make test-net". Those that take
// minutes and want a quiet machine have one tag more: "faults" ("make
// test-faults"; VLANs, in QEMU, are among them) and "bench" ("make bench").
package nettest
