// Package state knows what a root remembers of the instances it has been:
// identity, semaphores, stored data, all in the places where cloud-init has
// them (/var/lib/cloud), with boothook's own record beside them
// (/var/lib/boothook).
//
// In goes a root to read, or an instance and what was read; out come a Known,
// a Decision, and steps for a plan. Nothing is written here, and nothing but
// Read touches the root at all. Whatever was damaged (a power cut leaves
// empty files) becomes a Problem and counts as not known: bad state never
// stops a boot, and never makes a new instance out of an old one by itself,
// because Decide is asked only with an instance-id that a source has given.
//
// # What makes a new instance
//
// As in cloud-init, the id in data/instance-id decides. An absent file means
// a root that was never anybody (or was cleaned to be imaged); a damaged one
// is answered from the "instance" link. That the work for an instance was
// finished is told by boothook's own record, which a plan writes last: an
// instance that is known but not recorded is finished, not taken for new.
// An instance that cloud-init has already provisioned (its consume_data
// semaphore is there, and is not ours) is not provisioned again.
//
// # The machine-id of a clone
//
// When a root that belonged to another instance becomes this one, its
// machine-id is that other machine's and is replaced by a random one. It is
// never emptied and never set to "uninitialized": the latter makes systemd
// see a first boot (machine-id(5)) and run all presets over an administrator's
// choices. Left alone are: an absent, empty or "uninitialized" machine-id, by
// which the image's maker asked systemd for what machine-id(5) promises; and
// the machine-id of a root that never was an instance, since that is either
// an old machine newly looked after by boothook, whose logs and leases hang on
// it, or an image built carelessly, which is said in a warning.
package state

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"boothook/netboot/instance"
)

// The places, inside the root.
const (
	// CloudDir is cloud-init's, OwnDir is boothook's.
	CloudDir = "/var/lib/cloud"
	OwnDir   = "/var/lib/boothook"
	// InstanceLink points to the directory of the present instance.
	InstanceLink = CloudDir + "/instance"

	recordPath    = OwnDir + "/instance.json"
	networkPath   = OwnDir + "/network-config"
	machineIDPath = "/etc/machine-id"
	dbusIDPath    = "/var/lib/dbus/machine-id"
	randomSeed    = "/var/lib/systemd/random-seed"
	sshDir        = "/etc/ssh"

	// noPrevious is what cloud-init writes where there was no instance before.
	noPrevious = "NO_PREVIOUS_INSTANCE_ID"
)

// Bounds.
const (
	// MaxID is the longest instance-id, in bytes: it has to be a file name.
	MaxID = 255
	// MaxBody bounds each stored document.
	MaxBody = 64 << 20
	// MaxRecord bounds boothook's own record.
	MaxRecord = 1 << 20
	// MaxNames bounds the semaphores, host keys and seed files that count.
	MaxNames = 4096
	// maxSmall bounds files that hold one id.
	maxSmall = 4096
)

// Errors that a caller may want to tell apart.
var (
	// ErrBadID marks an instance-id that cannot name a directory.
	ErrBadID = errors.New("state: unusable instance-id")
	// ErrBadName marks a part's name of which no file name remains.
	ErrBadName = errors.New("state: unusable file name")
)

// SafeID gives the form in which an instance-id names its directory: white
// space around it goes, and slashes become underscores, as in cloud-init. An
// id that is empty, too long, not UTF-8, "." or "..", or that holds a control
// character gives ErrBadID.
func SafeID(id string) (string, error) {
	safe := strings.ReplaceAll(strings.TrimSpace(id), "/", "_")
	switch {
	case safe == "":
		return "", fmt.Errorf("%w: empty", ErrBadID)
	case len(safe) > MaxID:
		return "", fmt.Errorf("%w: %d bytes, at most %d fit", ErrBadID, len(safe), MaxID)
	case safe == "." || safe == "..":
		return "", fmt.Errorf("%w: %q", ErrBadID, id)
	case !utf8.ValidString(safe):
		return "", fmt.Errorf("%w: %q is not UTF-8", ErrBadID, id)
	case strings.IndexFunc(safe, isControl) >= 0:
		return "", fmt.Errorf("%w: %q holds a control character", ErrBadID, id)
	}
	return safe, nil
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }

// FileName gives the name under which a part is stored, as cloud-init cleans
// it: slashes become underscores, then every byte outside -_.()A-Za-z0-9 goes.
// What leaves nothing usable, or more than 255 bytes, gives ErrBadName.
func FileName(name string) (string, error) {
	var b strings.Builder
	for _, c := range []byte(name) {
		switch {
		case c == '/':
			b.WriteByte('_')
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', strings.IndexByte("-_.()", c) >= 0:
			b.WriteByte(c)
		}
	}
	clean := b.String()
	if clean == "" || clean == "." || clean == ".." {
		return "", fmt.Errorf("%w: nothing usable in %q", ErrBadName, name)
	}
	if len(clean) > 255 {
		return "", fmt.Errorf("%w: %d bytes, at most 255 fit", ErrBadName, len(clean))
	}
	return clean, nil
}

// InstanceDir is the directory of the instance with that (safe) id.
func InstanceDir(id string) string { return CloudDir + "/instances/" + id }

// InstanceSem is the semaphore file of a job that runs once per instance; as
// in cloud-init dashes in the name become underscores ("config_runcmd").
func InstanceSem(id, name string) string {
	return InstanceDir(id) + "/sem/" + strings.ReplaceAll(name, "-", "_")
}

// OnceSem is the semaphore file of a job that runs once in a root's life.
func OnceSem(name string) string {
	return CloudDir + "/sem/" + strings.ReplaceAll(name, "-", "_") + ".once"
}

// A Record is what boothook remembers of the instance it last finished.
type Record struct {
	Version int `json:"version"`
	// Instance is all but the bodies, which lie beside.
	Instance instance.Instance `json:"instance"`
	// Hooks says that there are hooks or a bootcmd to run on every boot.
	Hooks bool `json:"hooks"`
	// Base is the fingerprint of what lay below the user-data; see Base.
	Base string `json:"base,omitempty"`
	// Digests are the SHA-256 of the stored bodies by path, in hex.
	Digests map[string]string `json:"digests"`
}

// recordVersion is the schema version of the record.
const recordVersion = 1
