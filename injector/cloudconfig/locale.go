package cloudconfig

import (
	"strings"

	"boothook/injector/plan"
)

// debian says whether the root is of the Debian family.
func (b *builder) debian() bool {
	for _, id := range strings.Fields(b.Facts.OSRelease["ID"] + " " + b.Facts.OSRelease["ID_LIKE"]) {
		if id == "debian" || id == "ubuntu" {
			return true
		}
	}
	return false
}

// locale plans the system's LANG.
func locale(b *builder) {
	v := b.cfg.Get("locale")
	name := b.str("locale", v)
	if name == "" || v.Kind == Bool {
		return // false leaves it alone
	}
	if strings.ContainsAny(name, " \t\n\"'$`\\;/") {
		b.fail(v, "locale must be a name such as en_US.UTF-8")
		return
	}
	file := b.str("locale_configfile", b.cfg.Get("locale_configfile"))
	if file == "" {
		file = "/etc/locale.conf"
		if b.debian() {
			file = "/etc/default/locale"
		}
	}
	b.step(&plan.Step{Kind: plan.File, Path: file, Body: []byte("LANG=" + name + "\n"), Mode: 0o644, Why: v.why("locale")})
	if base, _, _ := strings.Cut(name, "."); base != "C" && base != "POSIX" {
		b.warn(v, "locale: the locale is set, but not made; the image must have it")
	}
}

// keyboard plans the console's and X's keyboard.
func keyboard(b *builder) {
	v := b.cfg.Get("keyboard")
	get := func(key, standard string) string {
		if s := v.Get(key).Scalar(); s != "" {
			return s
		}
		return standard
	}
	layout, model := get("layout", ""), get("model", "pc105")
	variant, options := get("variant", ""), get("options", "")
	if layout == "" || strings.ContainsAny(layout+model+variant+options, "\"\n\\$`") {
		b.fail(v, "keyboard needs a layout, and plain words")
		return
	}
	file, body := "/etc/vconsole.conf", "KEYMAP="+layout+"\n"
	if b.debian() {
		file = "/etc/default/keyboard"
		body = "XKBMODEL=\"" + model + "\"\nXKBLAYOUT=\"" + layout + "\"\nXKBVARIANT=\"" + variant +
			"\"\nXKBOPTIONS=\"" + options + "\"\nBACKSPACE=\"guess\"\n"
	}
	b.step(&plan.Step{Kind: plan.File, Path: file, Body: []byte("# Written by boothook from cloud-config.\n" + body), Mode: 0o644, Why: v.why("keyboard")})
}
