package userdata

import "boothook/netboot/instance"

// The types a part can end up with, named as cloud-init names them.
const (
	TypeCloudConfig        = "text/cloud-config"
	TypeCloudConfigArchive = "text/cloud-config-archive"
	TypeCloudConfigJSONP   = "text/cloud-config-jsonp"
	TypeBoothook           = "text/cloud-boothook"
	TypeInclude            = "text/x-include-url"
	TypeIncludeOnce        = "text/x-include-once-url"
	TypePartHandler        = "text/part-handler"
	TypeJinja              = "text/jinja2"
	TypeScript             = "text/x-shellscript"
	TypeScriptPerBoot      = "text/x-shellscript-per-boot"
	TypeScriptPerInstance  = "text/x-shellscript-per-instance"
	TypeScriptPerOnce      = "text/x-shellscript-per-once"
	TypeUpstartJob         = "text/upstart-job"
	// TypeUnknown is what raw bytes are called when nothing fits.
	TypeUnknown = "text/x-not-multipart"
)

// A Part is one typed piece of user-data.
type Part struct {
	// Index counts the emitted parts from 1, include expansions counted.
	Index int
	// Name is the file name the part carries, or part-%03d of its Index.
	Name string
	// Type is the final type, after sniffing; DeclaredType is what the
	// part's Content-Type (or archive type) said, empty for none.
	Type, DeclaredType string
	// Origin says where the part stands: "user-data", "vendor-data", an
	// include's URL, with " > N" for each level of nesting.
	Origin string
	// LaunchIndex is the Launch-Index asked for; nil for none.
	LaunchIndex *int
	// MergeType is the Merge-Type (or X-Merge-Type) header, if any.
	MergeType string
	// Body is exact: transfer encoding and gzip undone, nothing else changed.
	Body []byte
	// Err says why the part cannot be used; its Body is kept all the same.
	Err error
}

// A Want is an address that an #include names and that the caller has to
// fetch (or answer from the include-once cache) before decoding can finish.
type Want struct {
	// URL is the address as written: http, https, ftp, file or a plain path.
	URL string
	// Once asks for the include-once cache.
	Once bool
	// Origin and Line say where the address stands.
	Origin string
	Line   int
}

// An Answer is what became of a Want: its bytes, or why there are none.
type Answer struct {
	Body []byte
	Err  error
}

// Decoded is what Decode made of one document.
type Decoded struct {
	Parts []Part
	// Wants are the addresses still unanswered. Decode again with their
	// answers until none is left.
	Wants []Want
	// Problems are the losses that belong to no single part, and one entry
	// for each part's Err.
	Problems []instance.Problem
}
