package yaml

import (
	"math"
	"strconv"
	"strings"
)

// Resolve gives the tag that PyYAML's implicit resolvers (YAML 1.1) give a
// plain scalar: "!!null", "!!bool", "!!int", "!!float", "!!timestamp",
// "!!merge" or "!!str". With it comes the value of a number, and of a boolean 0
// or 1 as an integer. The patterns are written out by hand because package
// regexp is too dear for the agent. Two things are "!!str" that PyYAML refuses
// or takes: "=", and an integer beyond 64 bits.
func Resolve(s string) (tag string, i int64, f float64) {
	switch s {
	case "", "~", "null", "Null", "NULL":
		return "!!null", 0, 0
	case "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON":
		return "!!bool", 1, 0
	case "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF":
		return "!!bool", 0, 0
	case "<<":
		return "!!merge", 0, 0
	}
	if strings.IndexByte("+-.0123456789", s[0]) < 0 {
		return "!!str", 0, 0
	}
	if n, ok := parseInt(s); ok {
		return "!!int", n, 0
	}
	if f, ok := parseFloat(s); ok {
		return "!!float", 0, f
	}
	if isTimestamp(s) {
		return "!!timestamp", 0, 0
	}
	return "!!str", 0, 0
}

// parseInt reads [-+]? 0b…, 0x…, 0… (octal), decimal and base-sixty numbers
// with underscores between the digits.
func parseInt(s string) (int64, bool) {
	body, neg := cutSign(s)
	digits := strings.ReplaceAll(body, "_", "")
	var n uint64
	var err error
	switch {
	case body == "" || body[0] == '_' || !isDigit(body[0]):
		return 0, false
	case digits == "0":
	case strings.HasPrefix(body, "0b"):
		n, err = strconv.ParseUint(digits[2:], 2, 63)
	case strings.HasPrefix(body, "0x"):
		n, err = strconv.ParseUint(digits[2:], 16, 63)
	case body[0] == '0':
		n, err = strconv.ParseUint(digits, 8, 63)
	case strings.Contains(body, ":"):
		f, ok := sexagesimal(body)
		if !ok || f > math.MaxInt64/2 {
			return 0, false
		}
		n = uint64(f)
	default:
		n, err = strconv.ParseUint(digits, 10, 63)
	}
	if err != nil {
		return 0, false
	}
	if neg {
		return -int64(n), true
	}
	return int64(n), true
}

// sexagesimal reads D(:[0-5]?D)+ .
func sexagesimal(s string) (float64, bool) {
	fields := strings.Split(s, ":")
	var total float64
	for i, f := range fields {
		if i > 0 && (len(f) > 2 || len(f) == 2 && f[0] > '5') {
			return 0, false
		}
		if i == 0 {
			f = strings.ReplaceAll(f, "_", "")
		}
		n, err := strconv.ParseUint(f, 10, 32)
		if err != nil {
			return 0, false
		}
		total = total*60 + float64(n)
	}
	return total, len(fields) > 1
}

// parseFloat reads what has a point: 1.5, .5, 1.5e+3 (the exponent must have
// its sign), 1:30.5 and the infinities. "1e3" is a string in YAML 1.1.
func parseFloat(s string) (float64, bool) {
	body, neg := cutSign(s)
	sign := 1.0
	if neg {
		sign = -1
	}
	switch body {
	case ".inf", ".Inf", ".INF":
		return math.Inf(int(sign)), true
	}
	switch s {
	case ".nan", ".NaN", ".NAN":
		return math.NaN(), true
	}
	whole, frac, found := strings.Cut(body, ".")
	if !found {
		return 0, false
	}
	if strings.Contains(whole, ":") {
		n, ok := sexagesimal(whole)
		f, err := strconv.ParseFloat("0."+strings.ReplaceAll(frac, "_", "")+"0", 64)
		return sign * (n + f), ok && err == nil && allDigits(frac, true)
	}
	frac, exp := cutExponent(frac)
	switch {
	case !allDigits(frac, true) || exp == "bad":
		return 0, false
	case whole == "" && (frac == "" || frac[0] == '_' || body != s):
		return 0, false
	case whole != "" && (!isDigit(whole[0]) || !allDigits(whole, true)):
		return 0, false
	}
	f, err := strconv.ParseFloat("0"+strings.ReplaceAll(whole+"."+frac, "_", "")+"0"+exp, 64)
	return sign * f, err == nil
}

// cutExponent splits "5e+3" into "5" and "e+3"; a second result of "bad"
// says that there is an exponent which the pattern does not allow.
func cutExponent(frac string) (digits, exp string) {
	i := strings.IndexAny(frac, "eE")
	if i < 0 {
		return frac, ""
	}
	exp = frac[i:]
	if len(exp) < 3 || exp[1] != '-' && exp[1] != '+' || !allDigits(exp[2:], false) {
		return frac[:i], "bad"
	}
	return frac[:i], exp
}

// isTimestamp matches 2001-12-14 and 2001-12-14[T ]21:59:43[.10][ ][Z|-5[:30]].
func isTimestamp(s string) bool {
	if len(s) == 10 {
		return allDigits(s[:4]+s[5:7]+s[8:], false) && s[4] == '-' && s[7] == '-' && validDate(s[5:7], s[8:])
	}
	year, rest, _ := strings.Cut(s, "-")
	month, rest, _ := strings.Cut(rest, "-")
	i := strings.IndexAny(rest, "Tt \t")
	if len(year) != 4 || !allDigits(year, false) || i < 1 || !validDate(month, rest[:i]) {
		return false
	}
	clock := rest[i+1:]
	if rest[i] == ' ' || rest[i] == '\t' {
		clock = strings.TrimLeft(clock, " \t")
	}
	f := strings.SplitN(clock, ":", 3)
	if len(f) != 3 || !shortNumber(f[0]) || len(f[1]) != 2 || !allDigits(f[1], false) || len(f[2]) < 2 || !allDigits(f[2][:2], false) {
		return false
	}
	rest = f[2][2:]
	if strings.HasPrefix(rest, ".") {
		rest = strings.TrimLeft(rest[1:], "0123456789")
	}
	rest = strings.TrimLeft(rest, " \t")
	if rest == "" || rest == "Z" {
		return true
	}
	if rest[0] != '-' && rest[0] != '+' {
		return false
	}
	h, m, colon := strings.Cut(rest[1:], ":")
	return shortNumber(h) && (!colon || len(m) == 2 && allDigits(m, false))
}

func validDate(month, day string) bool {
	m, err1 := strconv.Atoi(month)
	d, err2 := strconv.Atoi(day)
	return err1 == nil && err2 == nil && shortNumber(month) && shortNumber(day) &&
		m >= 1 && m <= 12 && d >= 1 && d <= 31
}

func shortNumber(s string) bool { return len(s) >= 1 && len(s) <= 2 && allDigits(s, false) }

func cutSign(s string) (body string, negative bool) {
	switch {
	case strings.HasPrefix(s, "-"):
		return s[1:], true
	case strings.HasPrefix(s, "+"):
		return s[1:], false
	}
	return s, false
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func allDigits(s string, underscores bool) bool {
	for i := range len(s) {
		if !isDigit(s[i]) && !(underscores && s[i] == '_') {
			return false
		}
	}
	return true
}
