package cloudconfig

import (
	"slices"
	"strconv"
	"strings"

	"boothook/injector/plan"
)

// A Kind says what a Value is.
type Kind uint8

const (
	// Absent is the Kind of the zero Value: nothing stands there.
	Absent Kind = iota
	Null
	Bool
	Int
	Float
	String
	Binary
	Timestamp
	List
	Map
)

var kindNames = [...]string{
	Absent: "nothing", Null: "null", Bool: "a boolean", Int: "a number", Float: "a number",
	String: "a string", Binary: "binary data", Timestamp: "a date", List: "a list", Map: "a mapping",
}

func (k Kind) String() string { return kindNames[k] }

// A Pos is the place a Value was read from.
type Pos struct {
	// Part and Origin are those of the userdata.Part; for a file of the
	// root Origin is its path and Part is empty.
	Part, Origin string
	// Line is 1-based within the part.
	Line int
}

// A Value is one node of a cloud-config, resolved. It is read-only: values are
// shared, by aliases and by what merging leaves as it was. It is passed by
// pointer because copying it would be a third of this package's code.
type Value struct {
	Kind  Kind
	Bool  bool
	Int   int64
	Float float64
	// Text is a string's or binary's content, and of every other scalar
	// the text as it was written.
	Text string
	List []*Value
	// Map is in the order of the document, each key once.
	Map []Entry
	Pos Pos
	// nodes counts the value and all that is below it, aliases expanded.
	nodes int
}

// An Entry is one key of a mapping with its value.
type Entry struct{ Key, Value *Value }

// Get returns what stands under a string key, or an absent Value.
func (v *Value) Get(key string) *Value {
	if v == nil {
		return &Value{}
	}
	for _, e := range v.Map {
		if e.Key.Kind == String && e.Key.Text == key {
			return e.Value
		}
	}
	return &Value{Pos: v.Pos}
}

// Has says whether the key is there, even with a null value.
func (v *Value) Has(key string) bool { return v.Get(key).Kind != Absent }

// Missing is true of what is absent or null.
func (v *Value) Missing() bool { return v.Kind == Absent || v.Kind == Null }

// IsScalar is true of what Scalar can give as text.
func (v *Value) IsScalar() bool { return v.Kind >= Bool && v.Kind <= Timestamp }

// Scalar gives a scalar as the text that Python's str() would make of it;
// empty for everything else.
func (v *Value) Scalar() string {
	switch v.Kind {
	case Bool:
		if v.Bool {
			return "True"
		}
		return "False"
	case Int:
		return strconv.FormatInt(v.Int, 10)
	case String, Binary, Float, Timestamp:
		return v.Text
	}
	return ""
}

// Items gives the elements of a list; a single scalar or mapping counts as a
// list of one, absent and null as none.
func (v *Value) Items() []*Value {
	switch v.Kind {
	case List:
		return v.List
	case Absent, Null:
		return nil
	}
	return []*Value{v}
}

// Truth reads a boolean as cloud-init's get_cfg_option_bool does: true, 1,
// on and yes in any case, as a boolean, number or string, are true.
func (v *Value) Truth(absent bool) bool {
	switch v.Kind {
	case Absent:
		return absent
	case Bool:
		return v.Bool
	case Int:
		return v.Int == 1
	case String:
		switch strings.ToLower(strings.TrimSpace(v.Text)) {
		case "true", "1", "on", "yes":
			return true
		}
	}
	return false
}

// why names the value as the reason of a step.
func (v *Value) why(key string) plan.Why {
	part := v.Pos.Part
	if part == "" {
		part = v.Pos.Origin
	}
	return plan.Why{Part: part, Origin: v.Pos.Origin, Key: key, Line: v.Pos.Line}
}

// same compares two values as Python's == would, places left aside.
func same(a, b *Value) bool {
	if a.Kind != b.Kind {
		return false
	}
	switch a.Kind {
	case List:
		if len(a.List) != len(b.List) {
			return false
		}
		for i := range a.List {
			if !same(a.List[i], b.List[i]) {
				return false
			}
		}
		return true
	case Map:
		if len(a.Map) != len(b.Map) {
			return false
		}
		places := index(b.Map)
		for _, e := range a.Map {
			i, found := places[e.Key.key()]
			if !found || !same(e.Value, b.Map[i].Value) {
				return false
			}
		}
		return true
	}
	return a.key() == b.key()
}

// key is a scalar's identity as a key of a mapping.
func (v *Value) key() string {
	switch v.Kind {
	case Bool, Int, Null:
		return strconv.Itoa(int(v.Kind)) + ":" + v.Scalar()
	case Float:
		return strconv.Itoa(int(v.Kind)) + ":" + strconv.FormatFloat(v.Float, 'g', -1, 64)
	}
	return strconv.Itoa(int(v.Kind)) + ":" + v.Text
}

// find returns the index of a string as a key of a mapping, or -1. Who looks up
// many makes an index.
func find(m []Entry, key string) int {
	return slices.IndexFunc(m, func(e Entry) bool { return e.Key.Kind == String && e.Key.Text == key })
}

// index tells where in a mapping each key is.
func index(m []Entry) map[string]int {
	places := make(map[string]int, len(m))
	for i := range m {
		places[m[i].Key.key()] = i
	}
	return places
}

// with is a mapping with other entries.
func (v *Value) with(entries []Entry) *Value {
	out := *v
	out.Map = entries
	return &out
}

// mapping makes a Map value of entries.
func mapping(entries []Entry, pos Pos) *Value {
	n := 1
	for _, e := range entries {
		n = addNodes(n, addNodes(1, e.Value.nodes))
	}
	return &Value{Kind: Map, Map: entries, Pos: pos, nodes: n}
}

// sequence makes a List value of items.
func sequence(items []*Value, pos Pos) *Value {
	n := 1
	for _, v := range items {
		n = addNodes(n, v.nodes)
	}
	return &Value{Kind: List, List: items, Pos: pos, nodes: n}
}

// addNodes adds two counts and stays at a value above every limit.
func addNodes(a, b int) int {
	if a+b > 2*maxNodes {
		return 2 * maxNodes
	}
	return a + b
}
