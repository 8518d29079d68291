package generators

import (
	"bytes"
	"fmt"

	"boothook/initramfs/archive"
)

// shellInit is every initrd whose init is one shell script that ends in
// switch_root or run-init: Alpine's mkinitfs, and those made by hand. Such a
// script offers no hooks, and so it is replaced by a copy with the calls in it.
//
// The early call comes behind the last mount of /proc, /sys, /dev or /run. The late
// one comes before every switch_root, and before the statements that clear up
// for it by moving mounts away.
type shellInit struct {
	name    string
	install string
	mark    string // in /init; "" for any
}

func alpine() shellInit {
	return shellInit{
		name:    "mkinitfs",
		install: "run boothook bake after every mkinitfs",
		mark:    "Alpine Init",
	}
}

func anyShell() shellInit {
	return shellInit{
		name:    "a shell script",
		install: "make boothook bake the last step of what makes the initrd",
	}
}

func (s shellInit) Name() string    { return s.name }
func (s shellInit) Install() string { return s.install }

func (s shellInit) Detect(t *archive.Tree) bool {
	text, err := t.ReadFile(initOf(t))
	if err != nil || !bytes.HasPrefix(text, []byte("#!")) || !bytes.Contains(text, []byte(s.mark)) {
		return false
	}
	return bytes.Contains(text, []byte("switch_root")) || bytes.Contains(text, []byte("run-init"))
}

func (s shellInit) Calls(t *archive.Tree) ([]archive.File, error) {
	name := initOf(t)
	text, err := t.ReadFile(name)
	if err != nil {
		return nil, err
	}
	changed, err := addCalls(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return []archive.File{script(name, string(changed))}, nil
}

func (s shellInit) Check(t *archive.Tree) error {
	name := initOf(t)
	if err := executable(t, name); err != nil {
		return err
	}
	text, err := t.ReadFile(name)
	if err != nil {
		return err
	}
	p, err := findPlaces(text)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if n := bytes.Count(text, []byte(Agent+" late --root")); n < len(p.late) {
		return fmt.Errorf("%s calls %s late %d times, but pivots %d times", name, Agent, n, len(p.late))
	}
	if !bytes.Contains(text, []byte(shellEarly)) {
		return fmt.Errorf("%s does not call %s early", name, Agent)
	}
	return nil
}
