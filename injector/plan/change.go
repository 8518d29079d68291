package plan

// A Change is what applying a plan would change at one place of a root.
type Change struct {
	Path     string
	Old, New State
	// Secret says that the content is not to be shown; the Bodies are nil.
	Secret bool
}

// A State is what stands at a place. Kind is "", "file", "dir" or "link";
// empty means nothing at all.
type State struct {
	Kind     string
	Mode     uint32
	UID, GID int
	Target   string
	Body     []byte
}
