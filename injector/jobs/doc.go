// Package jobs plans what must run in the booted system: the scripts of
// user-data, late and once per instance, the jobs for the root's own init, and
// what becomes of services that are there (enabled, disabled, masked).
//
// In go the decoded parts and what is known of the root; out come plan steps
// and problems. The package does no I/O, but for the Reader that it is given
// when there are services to look for, and runs nothing. What it leaves in
// the root are files that an administrator can read: scripts where cloud-init
// would put them, one small shell script that runs them, and a job of that
// root's init that starts it. No code of boothook runs after the pivot.
package jobs
