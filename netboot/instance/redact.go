package instance

import "strings"

// maxShown is how many bytes of an address a message gets.
const maxShown = 256

// Redact gives an address fit for a message: without user and password, query
// and fragment, which hold what may be done with it. It need not be an address
// that anything else here can read: what is mistyped (no scheme, one slash, a
// password with a slash in it) must not show a password either. So where there
// is an "@", all that could be a password before it goes.
func Redact(address string) string {
	s := strings.TrimSpace(address)
	tail := ""
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		s, tail = s[:i], s[i:i+1]+"…"
	}
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok || scheme == "" || strings.ContainsAny(scheme, "@:/") {
		scheme, rest = "", s
		if ok && strings.HasPrefix(s, ":") {
			rest = ":…"
		}
	} else {
		scheme += "://"
	}
	host, path, slash := strings.Cut(rest, "/")
	if slash {
		path = "/" + path
	}
	if name, _, colon := strings.Cut(host, ":"); colon && scheme == "" && !strings.Contains(rest, "@") {
		host, path = name+":…", "" // what follows could be anything
	}
	// A host with a port has a colon as well. Then an "@" in the path may be
	// nothing but a part of it, and is taken for the end of a password.
	if i := strings.LastIndexByte(path, '@'); i >= 0 && (scheme == "" || strings.Contains(host, ":") || strings.Contains(path[:i], ":")) {
		host, path = "…", path[i:]
	} else if i := strings.LastIndexByte(host, '@'); i >= 0 {
		host = host[i+1:]
	}
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0xfffd {
			return '?'
		}
		return r
	}, scheme+host+path)
	switch {
	case s == "" && tail == "" && address != "":
		s = "…" // not even a host is left, or it was blank
	case len(s) > maxShown:
		s, tail = strings.ToValidUTF8(s[:maxShown], ""), "…"
	}
	return s + tail
}
