package lint

import (
	_ "embed"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"boothook/injector/plan"
)

// A place is a directory from which something reads files of a few kinds.
type place struct {
	// name is who reads it, readers are the programs that do, of which the
	// root must have one.
	name    string
	readers []string
	// dirs are the directories, kinds the extensions of what is read there.
	dirs, kinds []string
	// systemd says that no other init has it read.
	systemd bool
	check   func(l *rootLint, s *plan.Step, kind string)
}

// holds gives a path relative to the place, if it is in it.
func (p *place) holds(path string) (rel string, ok bool) {
	for _, dir := range p.dirs {
		if rel, ok := strings.CutPrefix(path, dir+"/"); ok {
			return rel, true
		}
	}
	return "", false
}

// below gives a directory's forms, in the order in which they overrule.
func below(name string) []string {
	return []string{"/etc/" + name, "/usr/local/lib/" + name, "/usr/lib/" + name, "/lib/" + name}
}

var unitKinds = []string{".service", ".socket", ".timer", ".path", ".mount", ".automount", ".swap", ".target", ".slice", ".scope", ".device"}

// places are those whose files decide how a boot goes.
func places() []place {
	in := func(name string) []string { return []string{"/usr/lib/systemd/" + name, "/lib/systemd/" + name} }
	conf := []string{".conf"}
	list := []place{
		{"systemd", in("systemd"), below("systemd/system"), unitKinds, true, (*rootLint).settings},
		{"systemd-networkd or udev", append(in("systemd-networkd"), in("systemd-udevd")...), below("systemd/network"), []string{".network", ".netdev", ".link"}, true, (*rootLint).network},
		{"systemd-sysusers", []string{"/usr/bin/systemd-sysusers", "/bin/systemd-sysusers"}, below("sysusers.d"), conf, true, (*rootLint).sysusers},
		{"systemd-tmpfiles", []string{"/usr/bin/systemd-tmpfiles", "/bin/systemd-tmpfiles"}, below("tmpfiles.d"), conf, false, lines(`[a-zA-Z][-+!=~^$?]*\s+\S+.*`)},
		{"sysctl", append(in("systemd-sysctl"), "/sbin/sysctl", "/usr/sbin/sysctl"), below("sysctl.d"), conf, false, lines(`-?[\w./*?\[\]@:-]+\s*=.*|-[\w./*?\[\]@:-]+`)},
		{"systemd-modules-load", append(in("systemd-modules-load"), "/etc/init.d/kmod", "/etc/init.d/modules"), below("modules-load.d"), conf, false, lines(`[\w-]+`)},
		{"modprobe", []string{"/sbin/modprobe", "/usr/sbin/modprobe"}, below("modprobe.d"), conf, false, lines(`(options|alias|blacklist|install|remove|softdep|weakdep)\s+\S+.*`)},
		{"udev", append(in("systemd-udevd"), "/sbin/udevd", "/usr/sbin/udevd"), below("udev/rules.d"), []string{".rules"}, false, lines(udevRule)},
	}
	for _, daemon := range []string{"journald", "logind", "networkd", "resolved", "system", "timesyncd"} {
		readers := in("systemd-" + daemon)
		if daemon == "system" {
			readers = in("systemd")
		}
		list = append(list, place{"systemd-" + daemon, readers, below("systemd/" + daemon + ".conf.d"), conf, true, nil})
	}
	return list
}

// udevRule is a line of matches and assignments, udev(7).
const udevRule = `(\w+(\{[^}]*\})?\s*(==|!=|=|\+=|-=|:=)\s*[ei]?"([^"\\]|\\.)*"\s*,?\s*)+`

// lines checks that each line is of a form, blank ones, comments and the
// lines that a backslash joins aside.
func lines(form string) func(*rootLint, *plan.Step, string) {
	expected := regexp.MustCompile(`^(` + form + `)$`)
	return func(l *rootLint, s *plan.Step, _ string) {
		eachLine(s.Body, func(n int, line string) {
			if !expected.MatchString(line) {
				l.say(s, n, true, "this line will not be understood")
			}
		})
	}
}

// eachLine calls f for every line that says something, with its number.
func eachLine(body []byte, f func(n int, line string)) {
	n, joined, first := 0, "", 0
	for line := range strings.Lines(string(body)) {
		n++
		line = strings.TrimRight(line, "\r\n")
		if joined == "" {
			first = n
			if t := strings.TrimSpace(line); t == "" || t[0] == '#' || t[0] == ';' {
				continue
			}
		}
		if before, ok := strings.CutSuffix(line, `\`); ok {
			joined += before + " "
			continue
		}
		f(first, strings.TrimSpace(joined+line))
		joined = ""
	}
	if joined != "" {
		f(first, strings.TrimSpace(joined))
	}
}

//go:embed settings.txt
var settingsTable string

// since gives the settings of a kind ("unit", "network", …) and the systemd
// that had each first.
func since(kind string) map[string]int {
	known := map[string]int{}
	for line := range strings.Lines(settingsTable) {
		if f := strings.Fields(line); len(f) > 2 && f[0] == kind {
			version, _ := strconv.Atoi(f[1]) // the table is this program's own
			for _, name := range f[2:] {
				known[name] = version
			}
		}
	}
	return known
}

// eachSetting calls f for the settings of a file in systemd's syntax, and
// says what is none.
func (l *rootLint) eachSetting(s *plan.Step, f func(n int, section, key string)) {
	section := ""
	eachLine(s.Body, func(n int, line string) {
		key, _, isSetting := strings.Cut(line, "=")
		switch {
		case strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]"):
			section = line
		case !isSetting:
			l.say(s, n, false, "neither a [Section] nor a setting, which has a =")
		case section == "":
			l.say(s, n, false, "a setting before any [Section]")
		case !strings.HasPrefix(section, "[X-"):
			f(n, section, strings.TrimSpace(key))
		}
	})
}

// tooNew warns of a setting that the root's systemd does not have yet.
func (l *rootLint) tooNew(s *plan.Step, n int, key string, version int) {
	if l.version > 0 && version > l.version {
		l.old = append(l.old, s.Path+":"+strconv.Itoa(n))
		l.say(s, n, true, "%s= is known since systemd %d; this root has %d, which passes over it", key, version, l.version)
	}
}

// settings looks for what the root's systemd is too old for; the rest of a
// unit is for systemd-analyze to judge.
func (l *rootLint) settings(s *plan.Step, _ string) {
	known := since("unit")
	l.eachSetting(s, func(n int, _, key string) { l.tooNew(s, n, key, known[key]) })
}

// network checks the settings of a .network, .netdev or .link file, for which
// systemd has no checker.
func (l *rootLint) network(s *plan.Step, kind string) {
	known := since(kind)
	l.eachSetting(s, func(n int, section, key string) {
		if version, ok := known[key]; ok {
			l.tooNew(s, n, key, version)
		} else {
			l.say(s, n, true, "%s= in %s is no setting of .%s files that systemd documents", key, section, kind)
		}
	})
	if kind != "link" && !slices.ContainsFunc([]string{"/usr/lib/systemd/systemd-networkd", "/lib/systemd/systemd-networkd"}, l.root.Exists) {
		l.say(s, 0, true, "nothing in this root reads it: there is no systemd-networkd")
	}
}

var sysusersLine = regexp.MustCompile(`^[ugmr][!]?\s+\S+(\s+\S+.*)?$`)

// sysusers also knows when nobody reads the file: systemd-sysusers.service
// runs when /usr is newer than /etc/.updated, as it is in an image that was
// never booted, and not afterwards.
func (l *rootLint) sysusers(s *plan.Step, _ string) {
	eachLine(s.Body, func(n int, line string) {
		if !sysusersLine.MatchString(line) {
			l.say(s, n, true, "this line will not be understood")
		}
	})
	if l.root.Exists("/etc/.updated") {
		l.say(s, 0, true, "this root has been booted before, so systemd-sysusers does not run in the next boot; use the key users")
	}
}
