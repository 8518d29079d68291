package cloudconfig

import (
	"boothook/injector/userdata"
	"boothook/netboot/instance"
)

// Lint says what is wrong with the cloud-config among the parts, as far as
// they alone tell: what no root could make good.
func Lint(parts []userdata.Part) []instance.Problem {
	cfg, problems := Merge(parts, nil, nil, nil)
	ctx := Context{InstanceDir: "/", Rand: constant{}}
	ctx.Facts.Exists = map[string]bool{}
	for _, path := range AskExists() {
		ctx.Facts.Exists[path] = true
	}
	return append(problems, Plan(ctx, cfg).Problems...)
}

// constant gives salts where nothing is to be kept secret.
type constant struct{}

func (constant) Read(p []byte) (int, error) { clear(p); return len(p), nil }
