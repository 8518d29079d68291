package cloudconfig

import (
	"strings"

	"boothook/injector/plan"
)

// An ntpClient is a program that keeps the clock, where it is found, and the
// file we leave for it.
type ntpClient struct{ name, program, config string }

// ntpClients lists them in the order of preference.
var ntpClients = []ntpClient{
	{"systemd-timesyncd", "/lib/systemd/systemd-timesyncd", "/etc/systemd/timesyncd.conf.d/cloud-init.conf"},
	{"chrony", "/usr/sbin/chronyd", "/etc/chrony/sources.d/cloud-init.sources"},
}

// ntp plans time servers for the client that the root has. Nothing is
// installed.
func ntp(b *builder) {
	v := b.cfg.Get("ntp")
	if v.Kind == Map && !v.Get("enabled").Truth(true) {
		return
	}
	servers, pools := b.strings("servers", v.Get("servers")), b.strings("pools", v.Get("pools"))
	for _, key := range []string{"peers", "allow", "config"} {
		if at := v.Get(key); !at.Missing() {
			b.fail(at, "ntp: %s is not handled by boothook", key)
		}
	}
	for _, host := range append(servers, pools...) {
		if host == "" || strings.ContainsAny(host, " \t\n#") {
			b.fail(v, "ntp: servers and pools must be names or addresses")
			return
		}
	}
	if len(servers)+len(pools) == 0 {
		return // the distribution's own servers are fine
	}
	wanted := v.Get("ntp_client").Scalar()
	for _, c := range ntpClients {
		if !b.Facts.Exists[c.program] || wanted != "" && wanted != "auto" && wanted != c.name {
			continue
		}
		body := "[Time]\nNTP=" + strings.Join(append(servers, pools...), " ") + "\n"
		if c.name == "chrony" {
			body = ""
			for _, s := range servers {
				body += "server " + s + " iburst\n"
			}
			for _, p := range pools {
				body += "pool " + p + " iburst\n"
			}
		}
		b.step(&plan.Step{
			Kind: plan.File, Path: c.config, Mode: 0o644,
			Body: []byte("# Written by boothook from cloud-config.\n" + body), Why: v.why("ntp"),
		})
		return
	}
	b.fail(v, "ntp: this root has no such client that boothook can configure (systemd-timesyncd or chrony)")
}
