// Package cloudconfig turns cloud-config into steps on a root.
//
// In go the parts that userdata decoded, the root's own cloud.cfg and the
// instance; out come plan steps, the bootcmd script and a list of problems.
// Parse reads one part, Merge lays all of them over one another as cloud-init
// does, Plan hands the merged Config to the modules, one file each, listed in
// the table of modules.go.
//
// YAML is read as PyYAML's SafeLoader reads it, because that is the reader
// cloud-config has been written for: yes/no/on/off are booleans, 0644 is the
// number 420 and 0o644 a string, 12:30:45 is a number in base sixty, and of
// two equal keys the last wins. What differs: an equal key is a warning
// instead of silence; a plain "=" is a string instead of an error; an integer
// beyond 64 bits stays the text it was written as.
//
// The package does no I/O, keeps no state and never puts a value of the
// configuration into a problem's message, since any value may be a secret.
package cloudconfig
