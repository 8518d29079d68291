// Package attack holds what the project's attacks on itself have in common: the
// one seed that everything is drawn from, and the mutations of packets.
//
// "make attack" runs them all. Those that need a network are in scripts/nettest
// (build tags net and attack), those that need a boot in scripts/boottest (boot
// and attack), those on a root here (attack), and the power cuts in
// injector/root (powercut). What is drawn follows from the seed that each test
// prints; when a process is killed or a packet arrives is for the machine to
// say, so a second run with the seed does the same things, at other moments.
package attack
