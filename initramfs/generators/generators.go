// Package generators recognises which program has made an initrd, and gives
// what each kind of initrd needs so that the agent is called twice: early, before the
// root device is waited for, and late, when the root is mounted and nothing
// of it has been started or read yet.
//
// In goes the tree of an initrd. Out come the files to add to it, or what is
// wrong with those that are there. One generator is one file here and one
// line in All. Nothing is ever written or run by this package.
package generators

import (
	"errors"
	"fmt"
	"strings"

	"boothook/initramfs/archive"
)

// Agent is the path of the agent in every baked initrd.
const Agent = "/usr/lib/boothook/boothook-agent"

// ErrUnknown marks an initrd that no known generator has made.
var ErrUnknown = errors.New("generators: unknown")

// A Generator is one kind of initrd, named after the program that makes it.
type Generator interface {
	// Name is what its users call it.
	Name() string
	// Detect tells by what lies in an initrd whether it is of this kind.
	Detect(t *archive.Tree) bool
	// Calls returns the files that make this initrd call the agent. Files
	// that it has already and that must name the calls come changed.
	Calls(t *archive.Tree) ([]archive.File, error)
	// Check reads a baked initrd as its own init would, and says what keeps
	// the agent from being called.
	Check(t *archive.Tree) error
	// Install says in one line how to bake the agent in for good, so that
	// the next regeneration keeps it.
	Install() string
}

// All lists the generators in the order in which they are asked.
func All() []Generator {
	return []Generator{
		whole{},
		initramfsTools{},
		dracutSystemd(),
		dracutPlain{},
		anySystemd(),
		alpine(),
		anyShell(),
		booster(),
		uroot(),
	}
}

// Detect finds the generator of an initrd. Error: ErrUnknown.
func Detect(t *archive.Tree) (Generator, error) {
	known := []string{}
	for _, g := range All() {
		if g.Detect(t) {
			return g, nil
		}
		known = append(known, g.Name())
	}
	return nil, fmt.Errorf("%w: this initrd is by none of %s", ErrUnknown, strings.Join(known, ", "))
}

// initOf is the program that pivots: /init, or what u-root, put in front of
// it, has renamed to /inito. The word uroot.initflags=systemd=1 has u-root's
// init replace itself by that one.
func initOf(t *archive.Tree) string {
	if _, init, err := t.Lookup("/init"); err == nil && strings.HasPrefix(init, "/bbin/") && t.Has("/inito") {
		return "/inito"
	}
	return "/init"
}

func script(name, text string) archive.File {
	return archive.File{Name: name, Mode: archive.TypeRegular | 0o755, Data: []byte(text)}
}

func text(name, text string) archive.File {
	return archive.File{Name: name, Mode: archive.TypeRegular | 0o644, Data: []byte(text)}
}

// executable says why a file cannot be run, if it cannot.
func executable(t *archive.Tree, name string) error {
	n, _, err := t.Lookup(name)
	switch {
	case err != nil:
		return err
	case !n.IsRegular():
		return fmt.Errorf("%s is not a regular file", name)
	case n.Mode&0o111 == 0:
		return fmt.Errorf("%s is not executable", name)
	}
	return nil
}
