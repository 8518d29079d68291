package selinux

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
)

// contexts are lines as the reference policy has them.
const contexts = `# a comment
/.*				system_u:object_r:default_t:s0
/	-d	system_u:object_r:root_t:s0
/etc(/.*)?		system_u:object_r:etc_t:s0
/etc/passwd[-\+]?	--	system_u:object_r:passwd_file_t:s0
/etc/ssh/ssh_host.*_key	--	system_u:object_r:sshd_key_t:s0
/etc/hostname	--	system_u:object_r:hostname_etc_t:s0
/etc/systemd/system(/.*)?	system_u:object_r:systemd_unit_file_t:s0
/(usr/)?s?bin(/.*)?	system_u:object_r:bin_t:s0
/usr/(.*/)?lib(/.*)?	system_u:object_r:lib_t:s0
/var/run/.*		<<none>>
/tmp/.*	<<none>>
/dev/[^/]*tty[^/]*	-c	system_u:object_r:tty_device_t:s0
/broken(	system_u:object_r:x_t:s0
/alsobroken	-z	system_u:object_r:x_t:s0
`

const homedirs = `/home/[^/]+	-d	unconfined_u:object_r:user_home_dir_t:s0
/home/[^/]+/.+	unconfined_u:object_r:user_home_t:s0
/home/[^/]+/\.ssh(/.*)?	unconfined_u:object_r:ssh_home_t:s0
`

func TestLookup(t *testing.T) {
	l := Parse([][]byte{[]byte(contexts), []byte(homedirs)}, [][]byte{[]byte("/run /var/run\n/usr/sbin /usr/bin\n# x y z\n")})
	for _, c := range []struct {
		path string
		mode fs.FileMode
		want string
	}{
		{"/", fs.ModeDir, "root_t"},
		{"/srv", fs.ModeDir, "default_t"},
		{"/etc", fs.ModeDir, "etc_t"},
		{"/etc/motd", 0, "etc_t"},
		{"/etcetera", 0, "default_t"},
		{"/etc/passwd", 0, "passwd_file_t"},
		{"/etc/passwd-", 0, "passwd_file_t"},
		{"/etc/passwd", fs.ModeDir, "etc_t"},
		{"/etc/hostname", 0, "hostname_etc_t"},
		{"/etc/ssh/ssh_host_rsa_key", 0, "sshd_key_t"},
		{"/etc/ssh/ssh_host_rsa_key.pub", 0, "etc_t"},
		{"/etc/systemd/system/x.wants/y.service", fs.ModeSymlink, "systemd_unit_file_t"},
		{"/sbin/init", 0, "bin_t"},
		{"/usr/sbin/x", 0, "bin_t"},
		{"/usr/local/lib/x", 0, "lib_t"},
		{"/run/x", 0, ""},
		{"/tmp/x", 0, ""},
		{"/dev/ttyS0", fs.ModeDevice | fs.ModeCharDevice, "tty_device_t"},
		{"/dev/ttyS0", 0, "default_t"},
		{"/home/alice", fs.ModeDir, "user_home_dir_t"},
		{"/home/alice/.profile", 0, "user_home_t"},
		{"/home/alice/.ssh/authorized_keys", 0, "ssh_home_t"},
	} {
		got, ok := l.Lookup(c.path, c.mode)
		if ok != (c.want != "") || ok && !strings.Contains(got, ":"+c.want+":") {
			t.Errorf("%s (%v): %q, want %q", c.path, c.mode, got, c.want)
		}
	}
	if _, ok := Parse(nil, nil).Lookup("/x", 0); ok {
		t.Error("an empty policy has a label")
	}
}

// TestHostile: no expression takes for ever.
func TestHostile(t *testing.T) {
	for _, text := range []string{"(a*)*b", "((a|a)*)*b", strings.Repeat("(", 100) + strings.Repeat(")", 100), "(a|aa)+$b", strings.Repeat("a?", 500) + strings.Repeat("a", 500)} {
		if e, err := compile(text); err == nil && e.match(strings.Repeat("a", 300)) {
			t.Errorf("%.20s matches", text)
		}
	}
}

// FuzzMatch compares with package regexp wherever both understand.
func FuzzMatch(f *testing.F) {
	for line := range strings.Lines(contexts + homedirs) {
		f.Add(strings.Fields(line)[0], "/etc/passwd")
	}
	f.Add(`/a(b|c)*[^d-f]?\.x`, "/abcb-.x")
	f.Add(`(|a)+b`, "aab")
	f.Add(`[]a]-`, "]-")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 40 || len(text) > 40 || strings.ContainsFunc(pattern+text, func(c rune) bool { return c < ' ' || c > '~' }) {
			return
		}
		e, err := compile(pattern)
		if err != nil {
			return
		}
		// regexp takes some more for itself than PCRE and this package do.
		if strings.Contains(pattern, "(?") || strings.Contains(pattern, "[:") {
			return
		}
		re, err := regexp.Compile(`\A(?s:` + pattern + `)\z`)
		if err != nil {
			return
		}
		m := &matcher{text: text}
		got := m.expr(e, 0, func(at int) bool { return at == len(text) })
		if m.steps > maxSteps {
			return
		}
		if want := re.MatchString(text); got != want {
			t.Fatalf("%q on %q: %v, want %v", pattern, text, got, want)
		}
		if stem, exact := e.prefix(); got && (!strings.HasPrefix(text, stem) || exact && text != stem) {
			t.Fatalf("%q on %q: matches, but the stem is %q", pattern, text, stem)
		}
	})
}
