// Package yaml reads YAML exactly as cloud-init does, which is as PyYAML's
// SafeLoader does, because that is what user-data and metadata are written for.
//
// In go the bytes of one document; out comes its tree of nodes, or an error
// with line and column. Scalars keep their text; Resolve says what PyYAML
// takes a plain one for. Aliases are followed: the node they stand for is in
// the tree once more. What a tag allows, what merge keys and equal keys mean
// is left to the reader of the tree.
//
// It is YAML 1.1 as PyYAML reads it: a tab separates nothing, "?" ends a
// plain scalar between brackets, an anchor's name can be used once, a key in
// front of its colon has at most 1024 characters and one line. Three things
// differ. A pair of surrogates ("\ud83d\ude00", as JSON writes it) is the
// character it stands for, and half a pair is refused; Python keeps both as
// they are and fails when they are written. An anchor around its own alias is
// refused. UTF-16 is refused, as cloud-init decodes UTF-8 before PyYAML sees it.
//
// Time and memory grow with the input only, and the constants bound them. The
// package never panics and never puts a text of the document into an error, as
// any may be a secret.
package yaml

import "strconv"

const (
	// MaxBytes bounds a document.
	MaxBytes = 16 << 20
	// MaxNodes bounds the nodes of a document, aliases not expanded.
	MaxNodes = 200_000
	// MaxDepth bounds how deep nodes are nested, aliases not expanded.
	MaxDepth = 200
	// maxKey is how many characters may stand between the beginning of a
	// key without "?" and its colon.
	maxKey = 1024
	// maxHandles bounds the %TAG directives, and maxTag the bytes of a tag
	// written with a handle: few of them could stand for many.
	maxHandles = 64
	maxTag     = 1024
)

// A Kind says what a Node is.
type Kind uint8

// The kinds. A Mapping's content are its keys and values in turn.
const (
	Scalar Kind = iota + 1
	Sequence
	Mapping
)

// A Node is one value of a document. It can be below several others, and
// never below itself.
type Node struct {
	Kind Kind
	// Plain is true of a scalar whose text decides what it is: one without
	// quotes that is no block, or with the tag "!".
	Plain bool
	// Shared says that an alias stands for the node, so that it is met twice.
	Shared bool
	// Tag is what the document says: "" for nothing, "!!int" for YAML's own
	// tags, any other in full.
	Tag string
	// Value is a scalar's text, line folding and escapes undone.
	Value   string
	Content []*Node
	// Line and Column are where the node begins, its tag and anchor
	// included. Both count from 1, the column in characters.
	Line, Column int
}

// ShortTag is the node's tag, or if it has none the one that PyYAML finds:
// "!!seq", "!!map", and for scalars what Resolve says or "!!str".
func (n *Node) ShortTag() string {
	switch {
	case n.Tag != "":
		return n.Tag
	case n.Kind == Sequence:
		return "!!seq"
	case n.Kind == Mapping:
		return "!!map"
	case n.Plain:
		tag, _, _ := Resolve(n.Value)
		return tag
	}
	return "!!str"
}

// An Error says why a document cannot be read, and where: Line and Column
// count from 1.
type Error struct {
	Line, Column int
	Message      string
}

func (e *Error) Error() string {
	return "line " + strconv.Itoa(e.Line) + ", column " + strconv.Itoa(e.Column) + ": " + e.Message
}
