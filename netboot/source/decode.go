package source

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"boothook/netboot/instance"
)

// maybeBase64 decodes what is base64 throughout, and gives back everything
// else as it is: the rule of cloud-init's maybe_b64decode. A line break
// anywhere, even at the end, makes it something else.
func maybeBase64(b []byte) []byte {
	if len(b) == 0 || strings.ContainsAny(string(b), "\r\n") {
		return b // Go's decoder would skip line breaks
	}
	plain, err := base64.StdEncoding.DecodeString(string(b))
	if err != nil {
		return b
	}
	return plain
}

// errNotBase64: what was to be base64 is not.
var errNotBase64 = fmt.Errorf("%w: not base64", ErrMalformed)

// fromBase64 decodes base64, blanks and line breaks in it left aside, as
// Python's b64decode does.
func fromBase64(s string) ([]byte, error) {
	plain, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		return nil, errNotBase64
	}
	return plain, nil
}

// promised decodes what the cloud says is base64. What is not is kept as it
// is, with a warning.
func promised(in *instance.Instance, key, s string) []byte {
	if s == "" {
		return nil
	}
	plain, err := fromBase64(s)
	if err != nil {
		in.Odd(key, "is not base64, and kept as it is")
		return []byte(s)
	}
	return plain
}

// keyLines splits authorized_keys text into its lines, comments dropped.
func keyLines(text string) []string {
	var keys []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			keys = append(keys, line)
		}
	}
	return keys
}

// An object is a JSON or YAML mapping.
type object map[string]any

// parseJSON reads a document that must be a JSON object. what names it in the
// error, which never quotes it.
func parseJSON(what string, body []byte) (object, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber() // ids are numbers on some clouds, and larger than a float is exact
	var o object
	if err := d.Decode(&o); err != nil || o == nil {
		return nil, fmt.Errorf("%w: %s is not a json object", ErrMalformed, what)
	}
	return o, nil
}

// beside gives a document beside the one that says what machine this is: it
// may be absent, and one that is malformed is left out with a problem.
func beside(in *instance.Instance, what string, body []byte) object {
	o, err := parseOptional(what, body)
	if err != nil {
		in.Bad(what, "is not a json object, and left out")
		return nil
	}
	return o
}

// body gives the value of a key that should be text, such as user-data.
func (o object) body(in *instance.Instance, key string) []byte {
	switch v := o[key].(type) {
	case nil:
		return nil
	case string:
		return o.bytes(key)
	default:
		if list, ok := v.([]any); !ok || len(list) > 0 { // an empty list is none
			in.Bad(key, "is not text, and left out")
			return nil
		}
		in.Odd(key, "is a list without anything in it")
		return nil
	}
}

// parseOptional is parseJSON for a document that may be absent or null.
func parseOptional(what string, body []byte) (object, error) {
	if len(body) == 0 || json.Valid(body) && strings.TrimSpace(string(body)) == "null" {
		return object{}, nil
	}
	return parseJSON(what, body)
}

// str gives a scalar as text.
//
//go:noinline
func (o object) str(name string) string { return o.text(name) }

// text gives a scalar as text, from the first of names that has one.
func (o object) text(names ...string) string {
	for _, n := range names {
		switch v := o[n].(type) {
		case string:
			return v
		case json.Number, int, int64, uint64, bool:
			return fmt.Sprint(v)
		}
	}
	return ""
}

// bytes gives a text as bytes, nil for none.
func (o object) bytes(name string) []byte {
	if s := o.str(name); s != "" {
		return []byte(s)
	}
	return nil
}

// object gives a mapping within the mapping; reading a missing one is safe.
//
// It is not inlined: its many callers would each be larger.
//
//go:noinline
func (o object) object(name string) object {
	m, _ := o[name].(map[string]any)
	return m
}

// without gives a copy that lacks names: bodies, which are stored elsewhere,
// and secrets, which are not to be stored with the metadata.
//
//go:noinline
func (o object) without(names ...string) map[string]any {
	m := maps.Clone(map[string]any(o))
	for _, n := range names {
		delete(m, n)
	}
	return m
}

// keysOf collects public keys in all the forms that clouds give them: text
// with lines, a list, or a mapping by name, as cloud-init normalises them.
func keysOf(v any) []string {
	switch v := v.(type) {
	case string:
		return keyLines(v)
	case []any:
		var keys []string
		for _, e := range v {
			keys = append(keys, keysOf(e)...)
		}
		return keys
	case map[string]any:
		var keys []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			keys = append(keys, keysOf(v[name])...)
		}
		return keys
	}
	return nil
}

// vendorData gives vendor-data in all the forms that clouds give it: text, a
// list of texts, or a mapping whose cloud-init entry is meant. A list becomes
// the archive that says the same.
func vendorData(in *instance.Instance, v any) []byte {
	switch v := v.(type) {
	case string:
		if v != "" {
			return []byte(v)
		}
	case []any:
		if len(v) == 1 {
			return vendorData(in, v[0])
		}
		if len(v) == 0 {
			return nil
		}
		list, _ := json.Marshal(v) // what was read of JSON or YAML always can be
		return append([]byte("#cloud-config-archive\n"), list...)
	case map[string]any:
		return vendorData(in, v["cloud-init"])
	case nil:
	default:
		in.Bad("vendor-data", "is neither text nor a list nor a mapping, and left out")
	}
	return nil
}

// cloudConfig writes cloud-config that says what a cloud says in other words.
func cloudConfig(config object) []byte {
	text, _ := json.Marshal(config) // texts, numbers and booleans never fail
	return append([]byte("#cloud-config\n"), text...)
}

// vendorDocument gives the vendor-data of a JSON document. One that is no JSON
// is passed on as it is: whoever decodes it will say what is wrong, and the
// instance is not lost for it.
func vendorDocument(in *instance.Instance, body []byte) []byte {
	var v any
	if json.Unmarshal(body, &v) != nil {
		return body
	}
	return vendorData(in, v)
}
