package userdata

import "errors"

// ErrLimit marks what was left out because it exceeds one of the Limits.
var ErrLimit = errors.New("limit exceeded")

// Limits bound what one Decode may produce, so that a small hostile input
// costs little. What lies beyond a limit is left out and named in Problems;
// what lies before it is kept.
type Limits struct {
	// Total is the number of bytes of all documents and bodies together,
	// after decompression and with every answer counted each time it is used.
	Total int
	// Parts is the number of parts, and that of the entities of one message.
	Parts int
	// Nesting is the number of MIME containers one inside the other.
	Nesting int
	// IncludeDepth is the number of includes one inside the other, and
	// Includes that of all addresses named.
	IncludeDepth, Includes int
	// Header is the number of bytes of one header block.
	Header int
	// GzipRatio bounds what gzip may expand to, as a multiple of the
	// compressed size. GzipFloor bytes are always allowed.
	GzipRatio, GzipFloor int
	// YAML is the number of bytes of one document that is read as YAML: an
	// archive, or a cloud-config with a launch-index. It is lower than Total
	// because YAML takes up to 150 times its size in memory.
	YAML int
	// fragile ends decoding at the first part that cannot be used, as
	// cloud-init does. Only tests set it, to prove that they would notice.
	fragile bool
}

// DefaultLimits are what the agent and the tool use. The largest user-data
// that a cloud accepts is well under 1 MiB; the rest is room for includes.
// With them an input of 1 KiB costs at most 64 MiB and a second.
func DefaultLimits() Limits {
	return Limits{
		Total:        64 << 20,
		Parts:        4096,
		Nesting:      16,
		IncludeDepth: 8,
		Includes:     256,
		Header:       64 << 10,
		GzipRatio:    256,
		GzipFloor:    256 << 10,
		YAML:         4 << 20,
	}
}
