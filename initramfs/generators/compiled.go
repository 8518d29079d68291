package generators

import (
	"errors"
	"fmt"

	"boothook/initramfs/archive"
)

// ErrNoPlace marks an initrd of a known kind that calls nothing between the
// mounting of the root and the pivot.
var ErrNoPlace = errors.New("generators: no place for the agent")

// compiledInit is an initrd whose init is one program without hooks: it can
// be told what it is, and what to do instead.
type compiledInit struct {
	name string
	mark string // a file that only this generator makes
	why  string // there is no place in it
}

func booster() compiledInit {
	return compiledInit{"booster", "/etc/booster.init.yaml", "runs nothing between mounting the root and the pivot"}
}

// uroot is u-root alone. What it runs are children of its init, none of which
// can pivot: it boots a system by kexec, with that one's own initrd.
func uroot() compiledInit {
	return compiledInit{"u-root", "/bbin/init", "never pivots; bake the initrd of what it boots by kexec"}
}

func (c compiledInit) Name() string { return c.name }

func (c compiledInit) Install() string { return "build a whole initramfs with boothook build" }

func (c compiledInit) Detect(t *archive.Tree) bool { return t.Has("/init") && t.Has(c.mark) }

func (c compiledInit) Calls(*archive.Tree) ([]archive.File, error) { return nil, c.Check(nil) }

func (c compiledInit) Check(*archive.Tree) error {
	return fmt.Errorf("%w: the init of %s %s; %s, or use another generator", ErrNoPlace, c.name, c.why, c.Install())
}
