package cloudconfig

import (
	"slices"

	"boothook/injector/userdata"
	"boothook/netboot/instance"
)

// Lint says what is wrong with one cloud-config or cloud-config-jsonp part,
// as far as the part alone tells: what no root could make good. A patch is
// only read, because what it applies to is not there.
func Lint(part userdata.Part) []instance.Problem {
	if part.Type == userdata.TypeCloudConfigJSONP {
		m := layers{}
		if _, err := m.patch(Value{Kind: Map}, part); err != nil && len(m.problems) > 0 {
			return m.problems
		}
		return nil
	}
	part.Type = userdata.TypeCloudConfig
	cfg, problems := Merge([]userdata.Part{part}, nil, nil, nil)
	ctx := Context{InstanceDir: "/", Rand: constant{}}
	ctx.Facts.Exists = map[string]bool{}
	for _, path := range AskExists() {
		ctx.Facts.Exists[path] = true
	}
	problems = append(problems, Plan(ctx, cfg).Problems...)
	slices.SortStableFunc(problems, func(a, b instance.Problem) int { return a.Line - b.Line })
	return problems
}

// constant gives salts where nothing is to be kept secret.
type constant struct{}

func (constant) Read(p []byte) (int, error) { clear(p); return len(p), nil }
