package state

import (
	"encoding/hex"

	"boothook/injector/digest"
	"boothook/injector/plan"
)

// HintPath is where a root that has nothing to ask keeps its hint, one line,
// for who makes the next initrd to copy.
const HintPath = OwnDir + "/known"

// Hint is what a place outside the root may keep to remember that the machine
// with this hardware id had nothing to ask last time: 64 hexadecimal digits,
// of which nobody learns the hardware id; "" for none. It orders what a boot does
// first, and never decides: the root's own record does.
func Hint(hardwareID string) string {
	if hardwareID == "" {
		return ""
	}
	sum := digest.SHA256([]byte("boothook known instance\n"), []byte(hardwareID))
	return hex.EncodeToString(sum[:])
}

// Hint is the hint of an instance whose content is c: that of its hardware id, unless
// it has hooks, for which the source is asked on every boot.
func (c *Content) Hint() string {
	if c.Hooks {
		return ""
	}
	return Hint(c.Instance.HardwareID)
}

// keepHint adds the step that keeps the hint in the root, or that takes an
// older one away.
func (l *stepList) keepHint(k *Known, c *Content) {
	hint := c.Hint()
	if hint == "" && !k.HasHint {
		return
	}
	s := l.file(HintPath, hint+"\n", 0o644)
	if hint == "" {
		s.Kind, s.Body = plan.Remove, nil
	}
}

// Base is the fingerprint of the configuration that lies below user-data: the
// root's own cloud.cfg and what else the caller has. Who adds a bootcmd there
// wants it run, so an instance is settled only as long as this is the same.
func Base(documents []plan.Document) string {
	var all [][]byte
	for i := range documents {
		all = append(all, []byte(documents[i].Path), []byte{0}, documents[i].Body, []byte{0})
	}
	sum := digest.SHA256(all...)
	return hex.EncodeToString(sum[:])
}

// Settled says that the root holds all that the instance asks for, and that no
// boot on a machine with this hardware id has more to do: boothook has finished the
// instance, it has no hooks, what lies below its user-data is still base, and
// nothing that is kept of it was found damaged.
func (k *Known) Settled(hardwareID, base string) bool {
	return k.Applied(hardwareID) && !k.Record.Hooks && k.Record.Base == base && len(k.Problems) == 0
}
