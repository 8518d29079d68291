package cloudconfig

import (
	"bytes"
	"slices"

	"boothook/injector/plan"
	"boothook/injector/userdata"
	"boothook/netboot/instance"
)

// A Config is what all cloud-config together asks for.
type Config struct {
	// Root is the merged mapping of all layers; every value in it still
	// knows the part and line it came from.
	Root *Value
	// User is what the user-data parts alone come to: what cloud-init
	// keeps as cloud-config.txt.
	User *Value
	// Files names the user-data parts that went into User, and Ignored
	// those that could not be read, both in order.
	Files, Ignored []string
}

// Get returns the value of a top-level key.
func (c Config) Get(key string) *Value { return c.Root.Get(key) }

// Merge reads every cloud-config and cloud-config-jsonp part among the lists
// and lays them over one another: user-data over vendor2 over vendor over the
// root's own documents, which come lowest first. Between parts the default is
// that a later one replaces a top-level key, between layers that mappings are
// joined and else the higher wins; merge_how, merge_type and the part's
// Merge-Type say otherwise. A part that cannot be read is skipped with a
// problem and never takes others along.
func Merge(parts, vendor, vendor2 []userdata.Part, base []plan.Document) (Config, []instance.Problem) {
	var m layers
	system := &Value{Kind: Map}
	for _, doc := range slices.Backward(base) {
		system = m.under(system, m.read(userdata.Part{Origin: doc.Path, Type: userdata.TypeCloudConfig, Body: doc.Body}))
	}
	var c Config
	user := layer{value: &Value{Kind: Map}}
	if len(parts) > 0 && !system.Get("allow_userdata").Truth(true) {
		m.problems = append(m.problems, warning(system.Get("allow_userdata").Pos, "allow_userdata is false: cloud-config of user-data is left out"))
	} else {
		user = m.parts(parts)
	}
	c.User, c.Files, c.Ignored = user.value, user.files, user.ignored
	asked := m.under(c.User, system)
	c.Root = c.User
	if asked.Get("vendor_data2").Get("enabled").Truth(true) {
		c.Root = m.under(c.Root, m.parts(vendor2).value)
	}
	if asked.Get("vendor_data").Get("enabled").Truth(true) {
		c.Root = m.under(c.Root, m.parts(vendor).value)
	}
	c.Root = m.under(c.Root, system)
	if c.Root.Kind != Map {
		c.Root = &Value{Kind: Map}
	}
	return c, m.problems
}

// layers gathers problems while merging.
type layers struct{ problems []instance.Problem }

// A layer is what one document's parts come to.
type layer struct {
	value          *Value
	files, ignored []string
}

// read gives the mapping of one part, absent after a problem.
func (m *layers) read(part userdata.Part) *Value {
	if part.Err != nil {
		return &Value{} // already reported by the decoder
	}
	v, problems := Parse(part)
	m.problems = append(m.problems, problems...)
	switch v.Kind {
	case Map:
		return v
	case Null:
		if part.Name != "" {
			m.problems = append(m.problems, warning(Pos{Part: part.Name, Origin: part.Origin}, "empty cloud-config"))
		}
	case Absent:
	default:
		m.problems = append(m.problems, problem(v.Pos, "cloud-config must be a mapping, this is "+v.Kind.String()))
	}
	return &Value{}
}

// under lays a lower layer below a higher one.
func (m *layers) under(high, low *Value) *Value {
	low, rules, err := takeMergers(low, "")
	if err == nil {
		if rules == nil {
			rules = layerMergers
		}
		var out *Value
		if high.Kind != Map {
			high = &Value{Kind: Map}
		}
		if out, err = rules.merge(high, low); err == nil {
			return out
		}
	}
	m.problems = append(m.problems, problem(low.Pos, err.Error()))
	return high
}

// parts merges the cloud-config parts of one document, in order.
func (m *layers) parts(parts []userdata.Part) layer {
	l := layer{value: &Value{Kind: Map}}
	for _, part := range parts {
		var next *Value
		var err error
		switch part.Type {
		case userdata.TypeCloudConfig:
			v := m.read(part)
			if v.Kind != Map {
				l.ignored = append(l.ignored, part.Name)
				continue
			}
			next, err = mergePart(l.value, v, part.MergeType)
		case userdata.TypeCloudConfigJSONP:
			next, err = m.patch(l.value, part)
		default:
			continue
		}
		if err != nil {
			m.problems = append(m.problems, problem(Pos{Part: part.Name, Origin: part.Origin}, err.Error()))
			l.ignored = append(l.ignored, part.Name)
			continue
		}
		l.value = next
		l.files = append(l.files, part.Name)
	}
	return l
}

func mergePart(base, v *Value, header string) (*Value, error) {
	v, rules, err := takeMergers(v, header)
	if err != nil {
		return &Value{}, err
	}
	if rules == nil {
		rules = userMergers
	}
	return rules.merge(base, v)
}

// takeMergers removes merge_how (or else merge_type) from a mapping and reads
// it; the rules of the header come after those of the text.
func takeMergers(v *Value, header string) (*Value, mergers, error) {
	var rules mergers
	for _, key := range []string{"merge_how", "merge_type"} {
		how := v.Get(key)
		if how.Kind == Absent {
			continue
		}
		v = v.with(slices.DeleteFunc(slices.Clone(v.Map), func(e Entry) bool {
			return e.Key.Kind == String && e.Key.Text == key
		}))
		if how.Kind == Null {
			continue
		}
		r, err := mergersOf(how)
		if err != nil {
			return v, nil, err
		}
		rules = r
		break
	}
	fromHeader, err := parseMergers(header)
	if err != nil {
		return v, nil, err
	}
	return v, append(rules, fromHeader...), nil
}

// jsonpMarker stands before a patch's JSON.
const jsonpMarker = "#cloud-config-jsonp"

// patch applies an RFC 6902 patch to what has been merged so far.
func (m *layers) patch(base *Value, part userdata.Part) (*Value, error) {
	if part.Err != nil {
		return base, nil
	}
	body := bytes.TrimLeft(part.Body, " \t\r\n\f\v")
	lead := bytes.Count(part.Body[:len(part.Body)-len(body)], []byte("\n"))
	body = bytes.TrimPrefix(body, []byte(jsonpMarker))
	// The blank lines keep the line numbers right.
	part.Body = append(bytes.Repeat([]byte("\n"), lead), body...)
	v, problems := Parse(part)
	m.problems = append(m.problems, problems...)
	if v.Kind == Absent {
		return &Value{}, errPatch
	}
	return applyPatch(base, v)
}
