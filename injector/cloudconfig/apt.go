package cloudconfig

import (
	"path"
	"strings"

	"boothook/injector/plan"
)

// apt plans apt's sources, keys, proxies and configuration. What needs a
// program of the running system is named and left.
func apt(b *builder) {
	v := b.cfg.Get("apt")
	if v.Kind != Map {
		b.fail(v, "apt must be a mapping, not %v", v.Kind)
		return
	}
	aptConf(b, v)
	if text := v.Get("sources_list").Scalar(); text != "" {
		b.guarded(&plan.Step{
			Kind: plan.File, Path: "/etc/apt/sources.list", Mode: 0o644,
			Body: []byte(b.aptVariables(v, text)), Why: v.Get("sources_list").why("apt"),
		})
	}
	for _, e := range v.Get("sources").Map {
		aptSource(b, v, e)
	}
	for _, key := range []string{"primary", "security", "disable_suites", "debconf_selections"} {
		if at := v.Get(key); !at.Missing() {
			b.fail(at, "apt: %s is not handled by boothook", key)
		}
	}
}

// aptConf writes conf and the proxies where cloud-init writes them.
func aptConf(b *builder, v *Value) {
	var proxies strings.Builder
	for _, p := range []struct{ key, option string }{
		{"proxy", "Acquire::http::Proxy"}, {"http_proxy", "Acquire::http::Proxy"},
		{"https_proxy", "Acquire::https::Proxy"}, {"ftp_proxy", "Acquire::ftp::Proxy"},
	} {
		if url := v.Get(p.key).Scalar(); url != "" && !strings.ContainsAny(url, "\"\n") {
			proxies.WriteString(p.option + " \"" + url + "\";\n")
		}
	}
	if proxies.Len() > 0 {
		b.guarded(&plan.Step{
			Kind: plan.File, Path: "/etc/apt/apt.conf.d/90cloud-init-aptproxy", Mode: 0o644,
			Body: []byte(proxies.String()), Why: v.why("apt"),
		})
	}
	if conf := v.Get("conf").Scalar(); conf != "" {
		b.guarded(&plan.Step{
			Kind: plan.File, Path: "/etc/apt/apt.conf.d/94cloud-init-config", Mode: 0o644,
			Body: []byte("# Written by boothook from cloud-config.\n" + conf), Why: v.Get("conf").why("apt"),
		})
	}
}

// aptSource plans one entry of apt.sources: its list and its key.
func aptSource(b *builder, apt *Value, e Entry) {
	name := e.Value.Get("filename").Scalar()
	if name == "" {
		name = e.Key.Scalar()
	}
	name = strings.TrimSuffix(path.Base(path.Clean("/"+name)), ".list")
	why := e.Key.why("apt")
	keyFile := "/etc/apt/cloud-init.gpg.d/" + name + ".asc"
	if key := e.Value.Get("key").Scalar(); key != "" {
		if !strings.Contains(key, "-----BEGIN PGP PUBLIC KEY BLOCK-----") {
			b.fail(e.Value.Get("key"), "apt: the key of source %s is not an armoured OpenPGP key", name)
			return
		}
		// apt reads armoured keys by themselves where the name ends in .asc.
		b.step(&plan.Step{Kind: plan.File, Path: keyFile, Body: []byte(strings.TrimSpace(key) + "\n"), Mode: 0o644, Why: why})
	} else if id := e.Value.Get("keyid"); !id.Missing() {
		b.fail(id, "apt: source %s: keys are not fetched by boothook; give the key itself", name)
	}
	source := strings.TrimSpace(e.Value.Get("source").Scalar())
	switch {
	case source == "":
		return
	case strings.HasPrefix(source, "ppa:"):
		b.fail(e.Value.Get("source"), "apt: source %s: a ppa has to be looked up, which boothook does not", name)
		return
	}
	b.guarded(&plan.Step{
		Kind: plan.File, Path: "/etc/apt/sources.list.d/" + name + ".list", Mode: 0o644,
		Body:   []byte(strings.ReplaceAll(b.aptVariables(apt, source), "$KEY_FILE", keyFile) + "\n"),
		Append: e.Value.Get("append").Truth(true), Why: why,
	})
}

// aptVariables fills in what cloud-init's templates of sources know.
func (b *builder) aptVariables(apt *Value, text string) string {
	mirror := func(key, standard string) string {
		for _, m := range apt.Get(key).Items() {
			if uri := m.Get("uri").Scalar(); uri != "" {
				return uri
			}
		}
		return standard
	}
	primary, security := "http://deb.debian.org/debian", "http://security.debian.org/debian-security"
	if b.Facts.OSRelease["ID"] == "ubuntu" {
		primary, security = "http://archive.ubuntu.com/ubuntu", "http://security.ubuntu.com/ubuntu"
	}
	primary = mirror("primary", primary)
	return strings.NewReplacer("$RELEASE", b.Facts.OSRelease["VERSION_CODENAME"], "$MIRROR", primary,
		"$PRIMARY", primary, "$SECURITY", mirror("security", security)).Replace(text)
}

// aptPipelining sets how many requests apt keeps in the air.
func aptPipelining(b *builder) {
	v := b.cfg.Get("apt_pipelining")
	depth := strings.ToLower(v.Scalar())
	switch depth {
	case "unchanged", "os":
		return
	case "false", "none":
		depth = "0"
	}
	if strings.Trim(depth, "0123456789") != "" || depth == "" {
		b.fail(v, "apt_pipelining must be false, none, unchanged, os or a number")
		return
	}
	b.step(&plan.Step{
		Kind: plan.File, Path: "/etc/apt/apt.conf.d/90cloud-init-pipelining", Mode: 0o644,
		Body: []byte("# Written by boothook from cloud-config.\nAcquire::http::Pipeline-Depth \"" + depth + "\";\n"),
		Why:  v.why("apt_pipelining"),
	})
}
