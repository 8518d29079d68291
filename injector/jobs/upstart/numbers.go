package upstart

import (
	"strconv"
	"strings"
)

// signals are those that upstart knows by name.
var signals = map[string]int{
	"HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "TRAP": 5, "ABRT": 6, "IOT": 6, "BUS": 7, "FPE": 8, "KILL": 9,
	"USR1": 10, "SEGV": 11, "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15, "STKFLT": 16, "CHLD": 17, "CLD": 17,
	"CONT": 18, "STOP": 19, "TSTP": 20, "TTIN": 21, "TTOU": 22, "URG": 23, "XCPU": 24, "XFSZ": 25, "VTALRM": 26,
	"PROF": 27, "WINCH": 28, "IO": 29, "POLL": 29, "PWR": 30, "SYS": 31,
}

// parseSignal reads NAME, SIGNAME or a number that fits an int.
func parseSignal(s string) (int, bool) {
	if n := signals[strings.TrimPrefix(s, "SIG")]; n != 0 {
		return n, true
	}
	n, ok := parseUnsigned(s, 10)
	return int(n), ok && n <= 1<<31-1
}

// parseLong is strtol in base 10, all of the text taken.
func parseLong(s string) (int64, bool) {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	if i := strings.TrimLeft(s, "+-"); len(s)-len(i) > 1 || i == "" || !digitsOf(i, 10) {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// parseUnsigned is strtoul: a minus sign wraps around.
func parseUnsigned(s string, base int) (uint64, bool) {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	minus := strings.HasPrefix(s, "-")
	digits := s
	if minus || strings.HasPrefix(s, "+") {
		digits = s[1:]
	}
	if digits == "" || !digitsOf(digits, base) {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, base, 64)
	if minus {
		n = -n
	}
	return n, err == nil
}

// digitsOf keeps out what strconv takes and C does not, such as "_".
func digitsOf(s string, base int) bool {
	for i := range len(s) {
		if s[i] < '0' || int(s[i]-'0') >= base {
			return false
		}
	}
	return true
}
