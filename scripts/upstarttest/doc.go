// Package upstarttest boots a root whose init is the real upstart, and looks at
// what becomes of jobs on ec2-boot-hook there. Its tests have the build tag
// upstart and want a kit that is not part of this repository, in the directory
// that BOOTHOOK_UPSTART names: its mkroot makes a Debian root that upstart
// boots, its boot boots it in QEMU. "make test-upstart UPSTART=DIR" runs them.
package upstarttest
