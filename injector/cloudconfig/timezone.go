package cloudconfig

import (
	"path"
	"strings"

	"boothook/injector/plan"
)

// timezone points /etc/localtime at the zone and names it in /etc/timezone.
func timezone(b *builder) {
	v := b.cfg.Get("timezone")
	zone := b.str("timezone", v)
	if zone == "" {
		return
	}
	if path.IsAbs(zone) || path.Clean(zone) != zone || zone == ".." || strings.HasPrefix(zone, "../") {
		b.fail(v, "timezone must be a name such as Europe/Paris")
		return
	}
	why := v.why("timezone")
	b.step(&plan.Step{Kind: plan.Link, Path: "/etc/localtime", Target: "/usr/share/zoneinfo/" + zone, Why: why})
	b.step(&plan.Step{Kind: plan.File, Path: "/etc/timezone", Body: []byte(zone + "\n"), Mode: 0o644, Why: why})
}
