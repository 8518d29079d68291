package bake

import (
	"fmt"

	"boothook/initramfs/archive"
)

// A Status says what an initrd holds, and whether the agent is baked in.
type Status struct {
	Generator string            `json:"generator"`
	Kernels   []string          `json:"kernels"`
	Segments  []archive.Segment `json:"segments"`
	Baked     *Mark             `json:"baked"` // null if boothook is not in it
}

// Check says what the initrd in a file has. The error says, for a baked one,
// what keeps the agent from being called; the Status holds nevertheless.
func Check(name string) (Status, error) {
	i, err := openInput(name, "")
	if err != nil {
		return Status{}, err
	}
	defer i.file.Close()
	in, err := Open(i.initrd, i.size)
	if in == nil {
		return Status{}, fmt.Errorf("check %s: %w", name, err)
	}
	st := Status{Kernels: in.Kernels, Segments: in.Segments, Baked: in.Mark}
	if in.Generator == nil {
		st.Generator = "an unknown generator"
		return st, fmt.Errorf("check %s: %w", name, err)
	}
	st.Generator = in.Generator.Name()
	if in.Mark == nil {
		return st, nil
	}
	if err := in.reachable(); err != nil {
		return st, fmt.Errorf("check %s: %w", name, err)
	}
	return st, nil
}
