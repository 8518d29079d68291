package cloudconfig

import "boothook/netboot/yaml"

// resolvePlain gives a plain scalar the type that PyYAML's implicit
// resolvers (YAML 1.1) give it.
func resolvePlain(s string) *Value {
	v := &Value{Kind: String, Text: s, nodes: 1}
	tag, i, f := yaml.Resolve(s)
	switch tag {
	case "!!null":
		v.Kind = Null
	case "!!bool":
		v.Kind, v.Bool = Bool, i == 1
	case "!!int":
		v.Kind, v.Int = Int, i
	case "!!float":
		v.Kind, v.Float = Float, f
	case "!!timestamp":
		v.Kind = Timestamp
	}
	return v
}
