package generators

import (
	"errors"
	"strings"

	"boothook/initramfs/archive"
)

// Whole is what an initramfs says of itself that "boothook build" made.
const Whole = "boothook build"

// MarkAt is the file by which an initrd that has the agent is known.
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
