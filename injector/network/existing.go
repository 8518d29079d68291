package network

import (
	"path"
	"slices"
	"strings"

	"boothook/injector/plan"
)

const (
	resolvConf = "/etc/resolv.conf"
	// resolvedStub is what systemd-resolved's own resolv.conf names
	// (systemd-resolved.service(8)).
	resolvedStub = "nameserver 127.0.0.53"
)

// included says whether ifupdown reads files in its folder. Where interfaces
// has no line that says so, the steps add one.
func included(facts *plan.Facts) (folder bool, steps []plan.Step) {
	if facts == nil {
		return true, nil
	}
	if !facts.Exists[interfacesFile] {
		return false, nil
	}
	for line := range strings.Lines(facts.Files[interfacesFile]) {
		w := strings.Fields(line)
		if len(w) < 2 || w[0] != "source" && w[0] != "source-directory" {
			continue
		}
		for _, pattern := range w[1:] {
			if !strings.HasPrefix(pattern, "/") {
				pattern = "/etc/network/" + pattern
			}
			if w[0] == "source-directory" {
				pattern += "/*"
			}
			if ok, err := path.Match(pattern, ifupdownFile); err == nil && ok {
				return true, nil
			}
		}
	}
	return true, []plan.Step{{
		Kind: plan.File, Path: interfacesFile, Append: true, Mode: 0o644,
		Body: []byte("\n# Added by boothook, for network-config.\nsource " + interfacesDir + "/*\n"),
	}}
}

// ours says whether cloud-init or boothook wrote a file for a network-config.
func ours(file, text string) bool {
	base := path.Base(file)
	switch path.Dir(file) + "/" {
	case "/etc/netplan/":
		return base == "50-cloud-init.yaml"
	case "/etc/systemd/network/":
		return strings.HasPrefix(base, "10-cloud-init-")
	case "/etc/NetworkManager/system-connections/":
		return strings.HasPrefix(base, "cloud-init-") && strings.HasSuffix(base, ".nmconnection")
	case interfacesDir + "/":
		return strings.HasPrefix(base, "50-cloud-init")
	case "/etc/udev/rules.d/":
		return file == renameFile
	case ifcfgDir, ifcfgSUSEDir:
		kinds := []string{"ifcfg-", "route-", "route6-", "rule-", "rule6-", "ifroute-", "ifrule-"}
		return slices.ContainsFunc(kinds, func(k string) bool { return strings.HasPrefix(base, k) }) &&
			(strings.HasPrefix(text, heading) || strings.HasPrefix(text, "# Created by cloud-init"))
	}
	return false
}

// leftovers removes what was written for an older network-config, of every
// renderer, and names what of the image's own is about the same links.
func (r *reader) leftovers(facts *plan.Facts, steps []plan.Step) []plan.Step {
	var out []plan.Step
	var files []string
	for file := range facts.Files {
		files = append(files, file)
	}
	slices.Sort(files)
	for _, file := range files {
		text := facts.Files[file]
		written := slices.ContainsFunc(steps, func(s plan.Step) bool { return s.Path == file && !s.Append })
		switch {
		case written:
		case ours(file, text):
			out = append(out, plan.Step{Kind: plan.Remove, Path: file})
		default:
			r.rival(file, text, steps)
		}
	}
	return out
}

// rival warns of a file of the image that configures one of the links too, and
// that the daemon reads beside or before what is written here.
func (r *reader) rival(file, text string, steps []plan.Step) {
	same := func(dir string) bool {
		return slices.ContainsFunc(steps, func(s plan.Step) bool { return s.Kind == plan.File && path.Dir(s.Path) == dir })
	}
	dir := path.Dir(file)
	switch {
	case file == interfacesFile && same(interfacesDir), dir == interfacesDir && (same(dir) || same("/etc/network")):
		for line := range strings.Lines(text) {
			w := strings.Fields(line)
			if len(w) >= 2 && w[0] == "iface" && w[1] != "lo" && r.device(w[1]) {
				r.problem(0, "%s has %s too, and ifupdown obeys both; take it out of the image", file, w[1])
			}
		}
	case dir == "/etc/systemd/network" && same(dir) && strings.HasSuffix(file, ".network"):
		if path.Base(file) > "10-cloud-init-" {
			return // the first that matches counts
		}
		for line := range strings.Lines(text) {
			names, ok := strings.CutPrefix(strings.TrimSpace(line), "Name=")
			for _, name := range strings.Fields(names) {
				for _, l := range r.links {
					if match, err := path.Match(name, l.device()); ok && err == nil && match {
						r.problem(0, "%s has %s too, and systemd-networkd reads it first; take it out of the image", file, l.device())
					}
				}
			}
		}
	case dir == "/etc/netplan" && same(dir) && strings.HasSuffix(file, ".yaml"):
		doc, _ := Read([]byte(text), file)
		for _, kind := range inner(doc).Map {
			for _, e := range kind.Value.Map {
				if l := r.links.byID(e.Key.Scalar()); l != nil && letterOf(kind.Key.Scalar()) != 0 {
					r.problem(e.Key.Pos.Line, "%s has %s too, and netplan lays both together; take it out of the image", file, l.id)
				}
			}
		}
	}
}

// device says whether one of the links has that name.
func (r *reader) device(name string) bool {
	return slices.ContainsFunc(r.links, func(l *link) bool { return l.device() == name })
}

// missing names packages that ifupdown's stanzas need and the root lacks.
func (r *reader) missing(facts *plan.Facts) {
	if facts == nil {
		return
	}
	for _, l := range r.links {
		need := func(what, name string, paths ...string) {
			if !has(facts, paths...) {
				r.problem(l.line, "%s: %s needs the package %s, which the root lacks", l.id, what, name)
			}
		}
		switch l.kind {
		case bond:
			need("a bond", "ifenslave", "/etc/network/if-pre-up.d/ifenslave")
		case vlan:
			need("a vlan", "vlan", "/etc/network/if-pre-up.d/vlan")
		case bridge:
			need("a bridge", "bridge-utils", "/sbin/brctl", "/usr/sbin/brctl", "/etc/network/if-pre-up.d/bridge", "/lib/bridge-utils/ifupdown.sh")
		}
		for _, key := range strings.Fields("wakeonlan receive-checksum-offload transmit-checksum-offload tcp-segmentation-offload generic-segmentation-offload generic-receive-offload large-receive-offload") {
			if l.said.has(key) {
				need(key, "ethtool", "/etc/network/if-up.d/ethtool")
				break
			}
		}
		if l.dhcp4() || l.dhcp6() {
			need("DHCP", "isc-dhcp-client or another DHCP client", "/sbin/dhclient", "/usr/sbin/dhclient", "/sbin/dhcpcd", "/usr/sbin/dhcpcd", "/sbin/udhcpc", "/usr/sbin/udhcpc", "/sbin/pump")
		}
	}
}

// resolver sees to it that name servers reach resolv.conf, where the daemon
// does not bring them there.
func (r *reader) resolver(re renderer, facts *plan.Facts) []plan.Step {
	resolved := has(facts, resolvedProgram, "/usr"+resolvedProgram)
	if resolved && facts.Exists[resolvConf] && !strings.Contains(facts.Files[resolvConf], resolvedStub) {
		// A file of the image's: whoever reads it asks past systemd-resolved,
		// whose own is a link into /run, where nothing is yet.
		resolved = false
	}
	switch re.name {
	case "networkd", "netplan":
		if resolved || re.name == "netplan" && has(facts, managerProgram) {
			return nil
		}
	case "eni":
		if has(facts, "/sbin/resolvconf", "/usr/sbin/resolvconf") || resolved && facts.Exists["/etc/network/if-up.d/resolved"] {
			return nil
		}
	case "sysconfig":
		if suse, _ := sysconfigKind(facts); !suse {
			return nil
		}
	default:
		return nil
	}
	var servers, search []string
	dynamic := 0
	for _, l := range r.links {
		for _, s := range addrs(l.dns, 0) {
			if !slices.Contains(servers, s) {
				servers = append(servers, s)
			}
		}
		for _, s := range l.search {
			if !slices.Contains(search, s) {
				search = append(search, s)
			}
		}
		if l.dhcp4() && !l.said.no("dhcp4-overrides.use-dns") {
			dynamic = l.line
		}
	}
	if dynamic > 0 && (re.name == "networkd" || re.name == "netplan") {
		why := either(has(facts, resolvedProgram, "/usr"+resolvedProgram), "the root's is a file, not systemd-resolved's link", "the root has no systemd-resolved")
		r.warn(dynamic, "DHCP's name servers reach no %s: %s", resolvConf, why)
	}
	if len(servers)+len(search) == 0 {
		return nil
	}
	t := &text{}
	t.WriteString(heading)
	path := resolvConf
	if resolved {
		// It is resolved's; ifupdown does not tell it.
		path = "/etc/systemd/resolved.conf.d/50-cloud-init.conf"
		t.line("[Resolve]")
		t.set("DNS=", strings.Join(servers, " "))
		t.set("Domains=", strings.Join(search, " "))
		return []plan.Step{t.step(path, 0o644)}
	}
	if len(servers) > 3 {
		r.warn(0, "%s: of %d name servers the C library asks the first three only", path, len(servers))
	}
	for _, s := range servers {
		t.line("nameserver ", s)
	}
	t.set("search ", strings.Join(search, " "))
	if dynamic > 0 && re.name == "eni" {
		r.warn(dynamic, "%s: the DHCP client may write others over these name servers: the root has no resolvconf", path)
	}
	return []plan.Step{t.step(path, 0o644)}
}
