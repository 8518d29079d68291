package modules

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// A Policy is what the administrator says about modules, on the kernel's
// command line or in modprobe.d(5). The kernel hands parameters such as
// "virtio_net.napi_tx=0" only to built-in code; for modules it is modprobe,
// and here the Loader, that must pass them on.
type Policy struct {
	// Blacklist holds modules that are not loaded for a device. They are
	// still loaded by name and as dependencies.
	Blacklist map[string]bool
	// Options holds each module's parameters, in the kernel's syntax.
	Options map[string]string
}

// modprobeDirs are the directories of modprobe.d(5), in the order of their precedence: of files
// with the same name only the first counts.
var modprobeDirs = [...]string{"etc/modprobe.d", "run/modprobe.d", "usr/local/lib/modprobe.d", "usr/lib/modprobe.d", "lib/modprobe.d"}

// ReadPolicy reads the modprobe.d directories under root ("/" at boot) and
// the words of a kernel command line. Files that cannot be read say nothing.
// A module with an install command counts as blacklisted: no command is run.
func ReadPolicy(root, cmdline string) Policy {
	p := Policy{Blacklist: map[string]bool{}, Options: map[string]string{}}
	read := map[string]bool{}
	var files []string
	for _, dir := range modprobeDirs {
		found, _ := filepath.Glob(filepath.Join(root, dir, "*.conf")) // the pattern is well formed
		for _, f := range found {
			if base := filepath.Base(f); !read[base] {
				read[base] = true
				files = append(files, f)
			}
		}
	}
	sort.Slice(files, func(i, j int) bool { return filepath.Base(files[i]) < filepath.Base(files[j]) })
	for _, f := range files {
		if info, err := os.Stat(f); err == nil && info.Mode().IsRegular() && info.Size() <= maxIndexFile {
			if data, err := os.ReadFile(f); err == nil {
				p.conf(string(data))
			}
		}
	}
	p.cmdline(cmdline)
	return p
}

// conf reads one modprobe.d file; a backslash at its end continues a line.
func (p *Policy) conf(text string) {
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		switch f[0] {
		case "blacklist", "install":
			p.Blacklist[normal(f[1])] = true
		case "options":
			p.option(f[1], strings.Join(f[2:], " "))
		}
	}
}

// cmdline reads modprobe.blacklist= and MODULE.PARAMETER[=VALUE].
func (p *Policy) cmdline(line string) {
	for _, word := range splitWords(line) {
		key, value, _ := strings.Cut(word, "=")
		module, param, ok := strings.Cut(key, ".")
		switch {
		case !ok || module == "" || param == "":
		case module == "modprobe" && param == "blacklist":
			for _, m := range strings.Split(value, ",") {
				p.Blacklist[normal(m)] = true
			}
		default:
			p.option(module, strings.TrimPrefix(word, module+"."))
		}
	}
}

func (p *Policy) option(module, params string) {
	module = normal(module)
	if params != "" {
		p.Options[module] = strings.TrimSpace(fmt.Sprintf("%s %s", p.Options[module], params))
	}
}

// splitWords splits as the kernel does (lib/cmdline.c): at blanks outside
// double quotes.
func splitWords(line string) []string {
	quoted := false
	return strings.FieldsFunc(line, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return !quoted && (r == ' ' || r == '\t' || r == '\n')
	})
}
