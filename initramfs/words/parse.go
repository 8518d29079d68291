package words

import "strings"

// maxLine bounds the command line that is looked at; the kernel's own bound
// (COMMAND_LINE_SIZE) is 2048 or 4096 on the architectures we know.
const maxLine = 64 << 10

// A word is one KEY or KEY=VALUE of a kernel command line.
type word struct {
	key, value string
	hasValue   bool
}

// own says that the word is boothook's.
func (w word) own() bool { return w.key == "boothook" || strings.HasPrefix(w.key, "boothook.") }

// String is the word as it was written, without quotes.
func (w word) String() string {
	if w.hasValue {
		return w.key + "=" + w.value
	}
	return w.key
}

// split cuts a command line into words as the kernel's next_arg() does
// (lib/cmdline.c): white space separates, double quotes protect it and are
// dropped around a value or a whole word, an unbalanced quote runs to the
// end, and "--" ends what is meant for the kernel. Single quotes are
// ordinary bytes.
func split(line string) []word {
	if len(line) > maxLine {
		line = line[:maxLine]
	}
	var out []word
	for {
		line = strings.TrimLeft(line, " \t\r\n")
		if line == "" {
			return out
		}
		raw, rest := cut(line)
		line = rest
		if raw == "--" {
			return out
		}
		out = append(out, parse(raw))
	}
}

// cut takes the first word off a line that begins with one.
func cut(line string) (raw, rest string) {
	quoted := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ' ' || c == '\t' || c == '\r' || c == '\n'):
			return line[:i], line[i:]
		}
	}
	return line, ""
}

func parse(raw string) word {
	if strings.HasPrefix(raw, `"`) {
		raw = strings.TrimSuffix(raw[1:], `"`)
	}
	key, value, ok := strings.Cut(raw, "=")
	if strings.HasPrefix(value, `"`) {
		value = strings.TrimSuffix(value[1:], `"`)
	}
	return word{key, value, ok}
}

// cloudConfig returns the YAML that "cc: … end_cc" passages carry, joined by
// newlines as cloud-init reads them (a missing end_cc runs to the end of the
// line, "\n" stands for a newline).
func cloudConfig(line string) string {
	const begin, end = "cc:", "end_cc"
	var docs []string
	for {
		i := strings.Index(line, begin)
		if i < 0 {
			break
		}
		line = line[i+len(begin):]
		doc, rest, found := strings.Cut(line, end)
		docs = append(docs, strings.ReplaceAll(strings.TrimLeft(doc, " "), `\n`, "\n"))
		if line = rest; !found {
			break
		}
	}
	return strings.Join(docs, "\n")
}
