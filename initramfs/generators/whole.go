package generators

import (
	"errors"
	"strings"

	"boothook/initramfs/archive"
)

// Whole is the generator that MarkAt names in an initramfs that "boothook
// build" has made.
const Whole = "boothook build"

// MarkAt is the path of the file that an initrd with the agent has: it says
// which boothook was baked in, and by what.
const MarkAt = "/usr/lib/boothook/baked.json"

// whole is an initramfs whose init is the agent.
type whole struct{}

func (whole) Name() string { return Whole }

func (whole) Install() string {
	return "run boothook build for each new kernel"
}

func (whole) Detect(t *archive.Tree) bool {
	mark, err := t.ReadFile(MarkAt)
	return err == nil && strings.Contains(string(mark), `"generator":"`+Whole+`"`)
}

func (whole) Calls(*archive.Tree) ([]archive.File, error) {
	return nil, errors.New("the agent is its init; build it anew")
}

func (whole) Check(t *archive.Tree) error { return executable(t, "/init") }
