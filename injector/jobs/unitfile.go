package jobs

import (
	"fmt"
	"strings"
)

// serviceUnit is the unit that does what an upstart job of that name does.
func serviceUnit(job string) string {
	switch job {
	case "udev":
		return "systemd-udevd.service"
	case "network-manager":
		return "NetworkManager.service"
	case "lightdm", "gdm", "kdm":
		return "display-manager.service"
	case "mysql":
		return "mariadb.service"
	}
	return escapeUnit(job) + ".service"
}

func deviceUnit(iface string) string {
	return "sys-subsystem-net-devices-" + escapeUnit(iface) + ".device"
}

// escapeUnit is systemd-escape: "/" becomes "-", and what a unit's name may
// not hold \xNN.
func escapeUnit(s string) string {
	var out strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c == '/':
			out.WriteByte('-')
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == ':', c == '_', c == '.' && i > 0:
			out.WriteByte(c)
		default:
			fmt.Fprintf(&out, `\x%02x`, c)
		}
	}
	return out.String()
}

func escapeSpecifiers(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// signalNames are Linux's, from 1.
var signalNames = strings.Fields("HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS")

func signalName(n int) string {
	if n < 1 || n > len(signalNames) {
		return ""
	}
	return signalNames[n-1]
}

// quoteUnit writes one word of a unit's value: in quotes, with C's escapes
// and no specifiers. A "$" is special in commands only.
func quoteUnit(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`, "\r", `\r`, "%", "%%").Replace(s)
	return `"` + s + `"`
}

func oneLine(s string) string { return strings.NewReplacer("\n", " ", "\r", " ").Replace(s) }
