package yaml

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Resolve gives the tag that PyYAML's implicit resolvers (YAML 1.1) give a
// plain scalar: "!!null", "!!bool", "!!int", "!!float", "!!timestamp",
// "!!merge" or "!!str". With it comes the value of a number, and of a boolean 0
// or 1 as an integer. The patterns are written out by hand because package
// regexp would add too much to the agent. Two things are "!!str" that PyYAML refuses
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
		var f float64
		var ok bool
		if n, f, ok = sexagesimal(body); !ok || f >= 1<<63 {
			return 0, false
		}
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

// sexagesimal reads D(:[0-5]?D)+ ; n has wrapped around where f is beyond 64
// bits.
func sexagesimal(s string) (n uint64, f float64, ok bool) {
	for i, more := 0, true; more; i++ {
		var field string
		field, s, more = strings.Cut(s, ":")
		if i > 0 && (len(field) > 2 || len(field) == 2 && field[0] > '5') {
			return 0, 0, false
		}
		if i == 0 {
			field = strings.ReplaceAll(field, "_", "")
		}
		if field == "" || !allDigits(field, false) {
			return 0, 0, false
		}
		digits, _ := strconv.ParseUint(field, 10, 64)
		n = n*60 + digits
		f = f*60 + float(field)
		ok = i > 0
	}
	return n, f, ok
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
		_, f, ok := sexagesimal(whole)
		return sign * (f + float("0."+frac+"0")), ok && allDigits(frac, true)
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
	return sign * float("0"+whole+"."+frac+"0"+exp), true
}

// float reads digits with underscores between them; what is too large is
// infinite.
func float(digits string) float64 {
	f, _ := strconv.ParseFloat(strings.ReplaceAll(digits, "_", ""), 64)
	return f
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

// isTimestamp matches 2001-12-14 and 2001-12-14[T ]21:59:43[.10][ ][Z|-5[:30]]
// if there is such a time.
func isTimestamp(s string) bool {
	year, rest, _ := strings.Cut(s, "-")
	month, rest, _ := strings.Cut(rest, "-")
	i := strings.IndexAny(rest, "Tt \t")
	if i < 0 {
		return len(s) == 10 && isDate(year, month, rest)
	}
	clock := rest[i+1:]
	if rest[i] == ' ' || rest[i] == '\t' {
		clock = strings.TrimLeft(clock, " \t")
	}
	f := strings.SplitN(clock, ":", 3)
	if len(f) != 3 || len(f[1]) != 2 || len(f[2]) < 2 || !below(f[0], 24) || !below(f[1], 60) || !below(f[2][:2], 60) {
		return false
	}
	zone := f[2][2:]
	if strings.HasPrefix(zone, ".") {
		zone = strings.TrimLeft(zone[1:], "0123456789")
	}
	zone = strings.TrimLeft(zone, " \t")
	if zone != "" && zone != "Z" {
		h, m, colon := strings.Cut(zone[1:], ":")
		if zone[0] != '-' && zone[0] != '+' || !below(h, 24) || colon && (len(m) != 2 || !below(m, 100)) || number(h)*60+number(m) >= 24*60 {
			return false
		}
	}
	return isDate(year, month, rest[:i])
}

func isDate(year, month, day string) bool {
	y, m, d := number(year), number(month), number(day)
	return len(year) == 4 && allDigits(year, false) && below(month, 13) && below(day, 32) && y > 0 && m > 0 &&
		time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC).Day() == d
}

// below is true of one or two digits that are less than limit.
func below(s string, limit int) bool {
	return (len(s) == 1 || len(s) == 2) && allDigits(s, false) && number(s) < limit
}

// number is that of a few digits.
func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

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
