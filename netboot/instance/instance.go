// Package instance holds the two values that pass between the network half
// (netboot) and the root half (injector) of boothook: the Instance that a
// datasource yields, and the Outcome that travels back to it.
//
// It is a leaf: it imports nothing of boothook, and neither half imports the
// other. Both values are plain data; nothing here does I/O.
package instance

import "strconv"

// An Instance is what one datasource says about the machine it serves.
// Bodies are the bytes that the source delivered, unchanged; decoding them is
// the injector's business.
type Instance struct {
	// Source is the datasource's name in the field's own spelling, lower
	// case: "ec2", "nocloud", "configdrive".
	Source string `json:"source"`
	// Platform is the cloud or hypervisor that was recognised, such as "aws".
	Platform string `json:"platform,omitempty"`
	// ID is the instance-id. It decides what counts as a new instance and is
	// never empty in a valid Instance.
	ID string `json:"instance_id"`
	// HardwareID is what a later boot can read offline (DMI UUID, serial number)
	// to know the same machine again. Empty where the platform has none.
	HardwareID string `json:"hardware_id,omitempty"`
	// Hostname is the name the source gives, possibly fully qualified.
	Hostname string `json:"hostname,omitempty"`
	// PublicKeys are OpenSSH authorized_keys lines.
	PublicKeys []string `json:"public_keys,omitempty"`
	// UserKeys are more of them, by the account that they are for. They count
	// for the image's default user; the source cannot know its name.
	UserKeys map[string][]string `json:"user_keys,omitempty"`
	// LaunchIndex selects parts that carry a Launch-Index; nil: no selection.
	LaunchIndex *int `json:"launch_index,omitempty"`
	// MetaData is the source's other metadata as a JSON-able tree, stored
	// for the root and offered to templates as ds.meta_data.
	MetaData map[string]any `json:"meta_data,omitempty"`

	// Partial says that user-data and vendor-data are from a place that is
	// there at the first boot only, and is gone: where the instance is known,
	// those that were stored count.
	Partial bool `json:"-"`

	// Files are to be written into the root, once per instance.
	Files []File `json:"-"`
	// Problems are about values that could not be used as the source gives
	// them. All else of the instance counts.
	Problems []Problem `json:"-"`

	UserData      []byte `json:"-"`
	VendorData    []byte `json:"-"`
	VendorData2   []byte `json:"-"`
	NetworkConfig []byte `json:"-"`
}

// A File is one that the source itself gives along, for a place in the root.
type File struct {
	Path string
	Body []byte
}

// Bad notes that the value of a key cannot be used, and is left out.
//
//go:noinline
func (i *Instance) Bad(key, message string) {
	i.Problems = append(i.Problems, Problem{Origin: key, Message: message})
}

// Odd notes that the value of a key is not in the form that was promised, and
// is used all the same.
//
//go:noinline
func (i *Instance) Odd(key, message string) {
	i.Problems = append(i.Problems, Problem{Origin: key, Message: message, Warning: true})
}

// An Outcome is what became of an Instance in the root: the one value that
// travels back, for the report and for sources that must be told.
type Outcome struct {
	// Applied says that the root now holds what this instance asks for,
	// whether by this boot or by an earlier one.
	Applied bool `json:"applied"`
	// NewInstance says that the root had not known this instance before.
	NewInstance bool `json:"new_instance"`
	// Problems lists what went wrong, worst first; empty when all went well.
	Problems []Problem `json:"problems,omitempty"`
}

// A Problem is one thing that went wrong, said so that a person can find it:
// where it stands, and what is the matter. It never holds a secret.
type Problem struct {
	// Origin is the document: "user-data", a URL, a path in the root.
	Origin string `json:"origin,omitempty"`
	// Part is the part's name as cloud-init gives it ("part-001"), if any.
	Part string `json:"part,omitempty"`
	// Line is 1-based within the part; 0 where no line applies.
	Line int `json:"line,omitempty"`
	// Message says what is wrong, in lower case and without a final stop.
	Message string `json:"message"`
	// Warning marks what deserves a word but lost nothing.
	Warning bool `json:"warning,omitempty"`
}

// String renders the problem as "ORIGIN: PART:LINE: MESSAGE", leaving out
// what is not known.
func (p Problem) String() string {
	s := ""
	if p.Origin != "" {
		s = p.Origin + ": "
	}
	switch {
	case p.Part != "" && p.Line > 0:
		s += p.Part + ":" + strconv.Itoa(p.Line) + ": "
	case p.Part != "":
		s += p.Part + ": "
	case p.Line > 0:
		s += "line " + strconv.Itoa(p.Line) + ": "
	}
	return s + p.Message
}
