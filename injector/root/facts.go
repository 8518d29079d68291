package root

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"boothook/injector/accounts"
	"boothook/injector/plan"
)

// The bounds of what facts are made of.
const (
	maxFact     = 1 << 20 // one configuration file
	maxInit     = 8 << 20 // how much of the init program is looked at
	maxDropIns  = 256     // files in cloud.cfg.d
	cloudConfig = "/etc/cloud/cloud.cfg"
)

// factPaths are the paths for which Facts.Exists always has an answer: the
// tools and directories by which planning tells distributions apart.
func factPaths() []string {
	return []string{
		"/bin/bash", "/bin/sh",
		"/etc/apt", "/etc/yum.repos.d", "/etc/zypp", "/etc/apk", "/etc/pacman.conf",
		"/etc/cloud", "/etc/doas.conf", "/etc/fstab", "/etc/hosts", "/etc/machine-id", "/etc/sudoers.d",
		"/etc/init", "/etc/init/network-interface.conf", "/etc/init.d", "/etc/init.d/mountall.sh", "/etc/inittab", "/etc/local.d", "/etc/rc.local", "/etc/runit", "/etc/sv", "/etc/service",
		"/etc/default/locale", "/etc/default/keyboard", "/etc/locale.conf", "/etc/locale.gen", "/etc/vconsole.conf",
		"/etc/NetworkManager", "/etc/netplan", "/etc/network/interfaces", "/etc/sysconfig/network-scripts", "/etc/systemd/network",
		"/etc/chrony", "/etc/chrony.conf", "/etc/ntp.conf", "/etc/systemd/timesyncd.conf",
		"/etc/ca-certificates.conf", "/etc/pki/ca-trust", "/etc/rsyslog.d", "/etc/resolv.conf",
		"/etc/selinux/config", "/etc/ssh", "/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d", "/etc/sysctl.d",
		"/etc/timezone", "/etc/localtime", "/usr/share/zoneinfo",
		"/usr/bin/apt-get", "/usr/bin/dnf", "/usr/bin/yum", "/usr/bin/zypper", "/sbin/apk", "/usr/bin/pacman",
		"/usr/bin/cloud-init", "/usr/bin/cloud-init-per", "/usr/sbin/sshd", "/usr/bin/systemctl",
		"/var/lib/cloud",
	}
}

// Facts reads what planning needs to know of the root. What is missing,
// unreadable or absurd in a root is left empty; only a root in which nothing
// can be read at all is an error. Facts.Exists answers for a list of common
// paths and for those in also.
func (r *Root) Facts(also ...string) (plan.Facts, error) {
	if _, err := r.ReadDir("/"); err != nil {
		return plan.Facts{}, fmt.Errorf("facts of root %s: %w", r.dir, err)
	}
	f := plan.Facts{
		Init:      r.InitOf("/sbin/init"),
		OSRelease: r.osRelease(),
		Accounts:  accounts.Users(r.fact("/etc/passwd")),
		Groups:    accounts.Groups(r.fact("/etc/group")),
		Fstab:     string(r.fact("/etc/fstab")),
		Hostname:  string(r.fact("/etc/hostname")),
		Exists:    map[string]bool{},
	}
	for _, p := range append(factPaths(), also...) {
		f.Exists[p] = r.Exists(p)
	}
	f.HasCloudInit = f.Exists["/usr/bin/cloud-init"]
	f.CloudConfig = r.CloudConfig()
	return f, nil
}

// fact reads a small file; nil if it cannot be read.
func (r *Root) fact(path string) []byte {
	body, err := r.ReadFileMax(path, maxFact)
	if err != nil {
		return nil
	}
	return body
}

func (r *Root) osRelease() map[string]string {
	text := r.fact("/etc/os-release")
	if text == nil {
		text = r.fact("/usr/lib/os-release")
	}
	m := map[string]string{}
	for line := range strings.Lines(string(text)) {
		k, v, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && !strings.HasPrefix(k, "#") {
			m[k] = unquote(v)
		}
	}
	return m
}

// unquote undoes the shell quoting that os-release(5) allows: single quotes,
// or double quotes with backslashes before $ " \ and `.
func unquote(s string) string {
	if len(s) < 2 || s[0] != s[len(s)-1] || s[0] != '"' && s[0] != '\'' {
		return s
	}
	body := s[1 : len(s)-1]
	if s[0] == '\'' {
		return body
	}
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\$`, `$`, "\\`", "`").Replace(body)
}

// CloudConfig reads cloud.cfg and its drop-ins; see plan.Facts.
func (r *Root) CloudConfig() []plan.Document {
	paths := []string{cloudConfig}
	names, _ := r.ReadDir(cloudConfig + ".d") // absent is fine
	for _, name := range names {
		if strings.HasSuffix(name, ".cfg") && len(paths) <= maxDropIns {
			paths = append(paths, path.Join(cloudConfig+".d", name))
		}
	}
	var docs []plan.Document
	for _, p := range paths {
		if body := r.fact(p); body != nil {
			docs = append(docs, plan.Document{Path: p, Body: body})
		}
	}
	return docs
}

// InitOf says which init system the program at path is: by the name that its
// links lead to, or else by what the program itself says. It is what really
// boots that counts; a package that is merely installed does not.
func (r *Root) InitOf(path string) plan.Init {
	n, err := newTree(r).walk(path, true)
	if err != nil {
		return plan.UnknownInit
	}
	init := initByName(n.name)
	if init == plan.UnknownInit {
		init = r.initByContent(n.path())
	}
	if (init == plan.Sysvinit || init == plan.BusyboxInit) && r.startsOpenRC() {
		return plan.OpenRC
	}
	return init
}

// startsOpenRC says whether an init that has no services of its own leaves
// them to OpenRC: Gentoo and Alpine say so in inittab(5), Debian in the script
// that inittab calls.
func (r *Root) startsOpenRC() bool {
	for _, p := range []string{"/etc/inittab", "/etc/init.d/rc"} {
		for line := range strings.Lines(string(r.fact(p))) {
			if !strings.HasPrefix(strings.TrimSpace(line), "#") && strings.Contains(line, "openrc") {
				return true
			}
		}
	}
	return false
}

func initByName(name string) plan.Init {
	switch name {
	case "systemd":
		return plan.Systemd
	case "upstart":
		return plan.Upstart
	case "openrc-init":
		return plan.OpenRC
	case "runit", "runit-init":
		return plan.Runit
	case "busybox", "busybox.static", "busybox-static":
		return plan.BusyboxInit
	}
	return plan.UnknownInit
}

// Says tells whether the program at path holds a text, such as the name of an
// option that only its newer versions know.
func (r *Root) Says(path, text string) bool {
	body, err := r.ReadFileMax(path, maxInit)
	return err == nil && bytes.Contains(body, []byte(text))
}

// initByContent knows an init by strings that only its program holds.
func (r *Root) initByContent(path string) plan.Init {
	body, err := r.ReadFileMax(path, maxInit)
	if err != nil {
		return plan.UnknownInit
	}
	for _, mark := range []struct {
		text string
		init plan.Init
	}{
		{"com.ubuntu.Upstart", plan.Upstart}, // its D-Bus name
		{"BusyBox v", plan.BusyboxInit},
		{"/etc/runit/", plan.Runit},
		{"/run/openrc/", plan.OpenRC},
		{"libsystemd-", plan.Systemd},
		{"/etc/inittab", plan.Sysvinit},
	} {
		if bytes.Contains(body, []byte(mark.text)) {
			return mark.init
		}
	}
	return plan.UnknownInit
}

// missing says whether err means that there is nothing at a path.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
