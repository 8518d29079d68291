// Package boottest proves whole boots: a real Debian root in QEMU, with and
// without the agent in its initrd, judged from outside (serial console,
// packets, open ports) and by what the booted system itself says.
//
// The tests have the build tag "boot", need root and what scripts/setup
// installs, and make the images by scripts/image. Run them by "make test-boot".
package boottest
