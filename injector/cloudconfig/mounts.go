package cloudconfig

import (
	"strings"

	"boothook/injector/plan"
)

// mountDefaults fill a short entry's fields from the third on.
var mountDefaults = []string{"", "", "auto", "defaults,nofail", "0", "2"}

// mounts plans lines of fstab. They are there before the real init reads the
// file, so nothing needs to be mounted by hand.
func mounts(b *builder) {
	v := b.cfg.Get("mounts")
	defaults := append([]string(nil), mountDefaults...)
	for i, d := range b.cfg.Get("mount_default_fields").List {
		if i < len(defaults) && !d.Missing() {
			defaults[i] = d.Scalar()
		}
	}
	var lines, places []string
	if line := swap(b); line != "" {
		lines = append(lines, line)
		if v.Missing() {
			v = b.cfg.Get("swap")
		}
	}
	for _, entry := range b.cfg.Get("mounts").Items() {
		fields := append([]string(nil), defaults...)
		if entry.Kind != List || len(entry.List) == 0 || len(entry.List) > len(fields) {
			b.fail(entry, "a mount must be a list of one to six fields")
			continue
		}
		for i, f := range entry.List {
			if !f.Missing() {
				fields[i] = f.Scalar()
			}
		}
		switch {
		case len(entry.List) > 1 && entry.List[1].Kind == Null:
			b.warn(entry, "mounts: entries are only added; one that is to be taken away stays")
			continue
		case strings.HasPrefix(fields[0], "ephemeral") || fields[0] == "swap":
			b.fail(entry, "mounts: %q is a name of the cloud's and not of a device; boothook does not look it up", fields[0])
			continue
		case fields[0] == "" || fields[1] == "" || fields[1][0] != '/' && fields[1] != "none":
			b.fail(entry, "a mount needs a device and an absolute place")
			continue
		}
		fields[0] = deviceName(fields[0])
		if !strings.Contains(fields[3], "comment=cloudconfig") {
			fields[3] += ",comment=cloudconfig"
		}
		if fields[1] != "none" {
			places = append(places, fields[1])
		}
		for i := range fields {
			fields[i] = strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`).Replace(fields[i])
		}
		lines = append(lines, strings.Join(fields, "\t"))
	}
	if len(lines) == 0 {
		return
	}
	why := v.why("mounts")
	b.step(&plan.Step{Kind: plan.File, Path: "/etc/fstab", Append: true, Mode: 0o644, Body: []byte(strings.Join(lines, "\n") + "\n"), Why: why})
	for _, p := range places {
		b.step(&plan.Step{Kind: plan.Dir, Path: p, Mode: 0o755, KeepExisting: true, Why: why})
	}
}

// deviceName puts /dev/ before a bare name such as xvdb or sda1.
func deviceName(s string) string {
	switch {
	case strings.ContainsAny(s, "/=:"):
		return s
	case strings.HasPrefix(s, "sd"), strings.HasPrefix(s, "hd"), strings.HasPrefix(s, "vd"), strings.HasPrefix(s, "xvd"), strings.HasPrefix(s, "nvme"):
		return "/dev/" + s
	}
	return s
}
