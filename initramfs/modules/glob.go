package modules

// glob says whether s matches a pattern of modules.alias: *, ? and [set] as in
// fnmatch(3) without flags, so that a slash is a character like any other.
// It takes time in the product of the two lengths at most. A pattern that is
// no pattern (an open bracket) matches nothing.
func glob(pattern, s string) bool {
	p, i := 0, 0
	// Of most patterns of the file it is plain from the first characters that
	// they do not match; this is all that is done about them.
	for p < len(pattern) && p < len(s) && pattern[p] != '*' && pattern[p] != '[' && pattern[p] != '?' {
		if pattern[p] != s[p] {
			return false
		}
		p++
	}
	i = p
	star, mark := -1, 0 // where to go back to: the last *, and what it covers so far
	for i < len(s) {
		if p < len(pattern) {
			if pattern[p] == '*' {
				star, mark = p, i
				p++
				continue
			}
			if width := one(pattern[p:], s[i]); width > 0 {
				p += width
				i++
				continue
			}
		}
		if star < 0 {
			return false
		}
		mark++
		p, i = star+1, mark
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// one matches one character against the head of a pattern that is no *; it
// gives the length of that head, 0 if it does not match.
func one(pattern string, c byte) int {
	switch pattern[0] {
	case '?':
		return 1
	case '[':
		return set(pattern, c)
	case c:
		return 1
	}
	return 0
}

// set matches one character against "[a-z0]" or "[!a-z]".
func set(pattern string, c byte) int {
	i, negated := 1, false
	if i < len(pattern) && (pattern[i] == '!' || pattern[i] == '^') {
		negated = true
		i++
	}
	found := false
	for first := true; i < len(pattern); first = false {
		if pattern[i] == ']' && !first {
			if found != negated {
				return i + 1
			}
			return 0
		}
		lo, hi := pattern[i], pattern[i]
		i++
		if i+1 < len(pattern) && pattern[i] == '-' && pattern[i+1] != ']' {
			hi = pattern[i+1]
			i += 2
		}
		found = found || lo <= c && c <= hi
	}
	return 0
}
