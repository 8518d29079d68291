// Package plan defines what boothook is to do to a root, as plain data: an
// ordered list of steps that can be printed, compared, stored as JSON and
// applied to any directory. This package checks, orders and describes steps;
// package root carries them out.
package plan

import "io/fs"

// Version is the schema version of a plan's JSON form.
const Version = 1

// A Plan is an ordered list of steps, with the instance that they are for.
type Plan struct {
	Version    int    `json:"version"`
	InstanceID string `json:"instance_id"`
	Steps      []Step `json:"steps"`
}

// A Kind says what a step does.
type Kind string

const (
	// File gives Path the content Body, whole or (Append) at its end.
	File Kind = "file"
	// Dir makes the directory Path and, as root:root 0755, its parents.
	Dir Kind = "dir"
	// Link makes Path a symbolic link to Target.
	Link Kind = "link"
	// Remove takes Path away; absent is fine. A directory must be empty.
	Remove Kind = "remove"
	// User makes sure that Account exists, in passwd, shadow, group and
	// gshadow, with its home directory.
	User Kind = "user"
	// Group makes sure that the group Account.Name exists.
	Group Kind = "group"
	// Password sets the hash of Account.Name in the shadow file.
	Password Kind = "password"
	// AuthorizedKeys adds the lines of Body that are missing to the
	// authorized_keys file of Account.Name, in its home directory.
	AuthorizedKeys Kind = "authorized-keys"
	// Sudo gives Account.Name the rules of Body in Path: lines of sudoers(5)
	// without their first word. The first such step of a plan begins the file
	// anew. An account that does not exist by then gets none.
	Sudo Kind = "sudo"
	// Doas gives Account.Name the rules of Body in Path: whole lines of
	// doas.conf(5), added to those that are there, once. An account that does
	// not exist by then gets none.
	Doas Kind = "doas"
	// Hostname sets /etc/hostname (and, at boot, the kernel's name) to Body.
	Hostname Kind = "hostname"
)

// A Frequency says how often a step is due.
type Frequency string

const (
	PerInstance Frequency = "instance" // the default, also when empty
	PerBoot     Frequency = "boot"
	Once        Frequency = "once"
)

// A Step is one thing to do to the root. Which fields count depends on Kind.
// Paths are absolute and slash-separated, and mean a place inside the root.
type Step struct {
	Kind Kind   `json:"kind"`
	Path string `json:"path,omitempty"`
	// Body is the exact content of a file, or the lines of a hostname or
	// authorized-keys step. In JSON it is base64.
	Body []byte `json:"body,omitempty"`
	// Append adds Body at the end of what is there, once: a redo or a
	// second apply of the same plan adds nothing.
	Append bool `json:"append,omitempty"`
	// KeepExisting leaves a target that is already there alone.
	KeepExisting bool `json:"keep_existing,omitempty"`
	// Size, where it is more than Body has, is how many bytes the file gets,
	// their blocks reserved and zero: a swap file. Needs KeepExisting.
	Size int64 `json:"size,omitempty"`
	// Mode holds the permission bits, set-id and sticky bits as in chmod(2).
	Mode uint32 `json:"mode,omitempty"`
	// Owner and Group name an account of the root, or hold a decimal id.
	// Empty means root.
	Owner string `json:"owner,omitempty"`
	Group string `json:"group,omitempty"`
	// Target is where a link points, as it is to be stored.
	Target string `json:"target,omitempty"`
	// Account is what a user, group, password or authorized-keys step is about.
	Account *Account `json:"account,omitempty"`
	// Frequency says how often the step is due.
	Frequency Frequency `json:"frequency,omitempty"`
	// Secret keeps Body out of every listing, diff and log.
	Secret bool `json:"secret,omitempty"`
	// Why says what asked for the step.
	Why Why `json:"why"`
}

// Perm gives Mode as the permission bits of package fs.
func (s *Step) Perm() fs.FileMode { return fs.FileMode(s.Mode & 0o777) }

// An Account describes a user or group as useradd(8) would be told of it.
type Account struct {
	Name string `json:"name"`
	// UID is nil to take the next free one.
	UID *int `json:"uid,omitempty"`
	// System takes ids from the system range and makes no home by default.
	System bool   `json:"system,omitempty"`
	Gecos  string `json:"gecos,omitempty"`
	Home   string `json:"home,omitempty"`
	NoHome bool   `json:"no_home,omitempty"`
	Shell  string `json:"shell,omitempty"`
	// PrimaryGroup is empty to make a group of the account's own name.
	PrimaryGroup string   `json:"primary_group,omitempty"`
	Groups       []string `json:"groups,omitempty"`
	// Members are for a group step: accounts to add to the group.
	Members []string `json:"members,omitempty"`
	// Hash is a crypt(5) hash for the shadow file; empty leaves it as it is.
	Hash string `json:"hash,omitempty"`
	// Lock puts "!" before the hash, as passwd -l does.
	Lock bool `json:"lock,omitempty"`
	// Expire makes the password be changed at the first login.
	Expire bool `json:"expire,omitempty"`
	// ExpireDay is the day (since 1970-01-01) on which a new account ends,
	// Inactive how many days after its password's end it does; as texts of
	// shadow(5), where empty means never.
	ExpireDay string `json:"expire_day,omitempty"`
	Inactive  string `json:"inactive,omitempty"`
}

// A Why says where a step comes from.
type Why struct {
	// Part is the part's name, or a word such as "meta-data" or "boothook".
	Part string `json:"part"`
	// Origin is where that part stands.
	Origin string `json:"origin,omitempty"`
	// Key is the cloud-config key that asked, if one did.
	Key string `json:"key,omitempty"`
	// Line is 1-based within the part; 0 where none applies.
	Line int `json:"line,omitempty"`
}
