package cloudconfig

import (
	"strings"

	"boothook/injector/plan"
)

// resolvConf plans /etc/resolv.conf where manage_resolv_conf asks for it.
func resolvConf(b *builder) {
	v := b.cfg.Get("resolv_conf")
	if !b.cfg.Get("manage_resolv_conf").Truth(false) || v.Missing() {
		return
	}
	var s strings.Builder
	s.WriteString("# Written by boothook from cloud-config.\n")
	line := func(word string, values []string) {
		if len(values) > 0 {
			s.WriteString(word + " " + strings.Join(values, " ") + "\n")
		}
	}
	for _, server := range b.strings("nameservers", v.Get("nameservers")) {
		line("nameserver", []string{server})
	}
	line("domain", b.strings("domain", v.Get("domain")))
	line("search", b.strings("searchdomains", v.Get("searchdomains")))
	line("sortlist", b.strings("sortlist", v.Get("sortlist")))
	var options []string
	for _, e := range v.Get("options").Map {
		switch {
		case e.Value.Kind == Bool && e.Value.Bool:
			options = append(options, e.Key.Scalar())
		case e.Value.Kind == Int:
			options = append(options, e.Key.Scalar()+":"+e.Value.Scalar())
		}
	}
	line("options", options)
	b.step(&plan.Step{Kind: plan.File, Path: "/etc/resolv.conf", Body: []byte(s.String()), Mode: 0o644, Why: v.why("resolv_conf")})
}
