package userdata

import (
	"bytes"
	"fmt"
	"unicode"
)

// prefixes are what a body of each type begins with, in lower case. The
// longest comes first, as "#include" also begins "#include-once".
var prefixes = [...]struct{ text, typ string }{
	{TypeScriptPerInstance, TypeScriptPerInstance},
	{TypeScriptPerBoot, TypeScriptPerBoot},
	{TypeScriptPerOnce, TypeScriptPerOnce},
	{"#cloud-config-archive", TypeCloudConfigArchive},
	{"#cloud-config-jsonp", TypeCloudConfigJSONP},
	{"## template: jinja", TypeJinja},
	{"#cloud-boothook", TypeBoothook},
	{"#cloud-config", TypeCloudConfig},
	{"#include-once", TypeIncludeOnce},
	{"#part-handler", TypePartHandler},
	{"#upstart-job", TypeUpstartJob},
	{"#include", TypeInclude},
	{"#!", TypeScript},
}

// Sniff gives the type that a body announces with its first words, or "" for
// none. As in cloud-init the case does not matter, blank space before the
// words is passed over, and nothing has to separate them from what follows.
func Sniff(body []byte) string {
	body = bytes.TrimLeftFunc(body, isSpace)
	for _, p := range prefixes {
		if hasPrefixFold(body, p.text) {
			return p.typ
		}
	}
	return ""
}

// isSpace is Python's str.isspace, which knows four separators more than Go.
func isSpace(r rune) bool {
	return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f
}

// hasPrefixFold reports whether b begins with the lower-case ASCII prefix in
// whatever case.
//
//go:noinline
func hasPrefixFold(b []byte, prefix string) bool {
	if len(b) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		c := b[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != prefix[i] {
			return false
		}
	}
	return true
}

// sniffed reports whether parts that are declared to be of type typ are
// nevertheless judged by their first words. Every other declaration stands.
func sniffed(typ string) bool {
	return typ == "text/plain" || typ == TypeUnknown || typ == TypeScript
}

// isGzipType reports whether parts of that type are gzip data.
func isGzipType(typ string) bool {
	switch typ {
	case "application/gzip", "application/gzip-compressed", "application/gzipped",
		"application/x-compress", "application/x-compressed", "application/x-gunzip",
		"application/x-gzip", "application/x-gzip-compressed":
		return true
	}
	return false
}

// handled reports whether something is done with parts of that type.
func handled(typ string) bool {
	switch typ {
	case TypeCloudConfig, TypeCloudConfigJSONP, TypeBoothook, TypePartHandler, TypeJinja, TypeUpstartJob,
		TypeScript, TypeScriptPerBoot, TypeScriptPerInstance, TypeScriptPerOnce:
		return true
	}
	return false
}

// byteOrderMark names the mark that body begins with and gives its length.
func byteOrderMark(body []byte) (string, int) {
	switch {
	case bytes.HasPrefix(body, []byte("\xef\xbb\xbf")):
		return "UTF-8", 3
	case bytes.HasPrefix(body, []byte("\xff\xfe")), bytes.HasPrefix(body, []byte("\xfe\xff")):
		return "UTF-16", 2
	}
	return "", 0
}

// announcesNothing says that the first words of body mean nothing, and what
// they are if they can be a typing error. Other text may hold a secret.
func announcesNothing(body []byte) string {
	body = bytes.TrimLeftFunc(body, isSpace)
	if len(body) == 0 {
		return "it is blank"
	}
	line, _, _ := bytes.Cut(body, []byte("\n"))
	if line[0] != '#' {
		return "its first line announces no type, as #! or #cloud-config would"
	}
	return fmt.Sprintf("its first line, %q, announces no type", line[:min(len(line), 24)])
}
