package cloudconfig

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bootcmd gives the script of bootcmd alone, for who runs it before the facts
// are read that Plan needs; nil for none. What is wrong with it Plan says.
func Bootcmd(cfg Config) []byte {
	if cfg.Get("bootcmd").Missing() {
		return nil
	}
	b := &builder{cfg: cfg}
	bootcmd(b)
	return b.result.Bootcmd
}

// Document renders what the user-data's parts come to as cloud-init keeps it
// in cloud-config.txt: a comment that names the parts, and the merged mapping.
// Without any such part it is empty.
func (c Config) Document() []byte {
	if len(c.Files)+len(c.Ignored) == 0 {
		return nil
	}
	var s strings.Builder
	fmt.Fprintf(&s, "#cloud-config\n\n# from %d files\n", len(c.Files))
	for _, name := range c.Files {
		fmt.Fprintf(&s, "# %s\n", oneLine(name))
	}
	s.WriteByte('\n')
	for _, name := range c.Ignored {
		fmt.Fprintf(&s, "# Cloud-config part ignored SCHEMA_ERROR: %s\n", oneLine(name))
	}
	s.WriteString("---\n")
	c.User.write(&s, 0)
	s.WriteByte('\n')
	return []byte(s.String())
}

// Document renders the value alone.
func (v *Value) Document() []byte {
	var s strings.Builder
	v.write(&s, 0)
	s.WriteByte('\n')
	return []byte(s.String())
}

// oneLine keeps a part's name from ending the comment it stands in.
func oneLine(name string) string {
	return strings.NewReplacer("\n", " ", "\r", " ").Replace(name)
}

// maxSimpleKey is how many bytes a key may have in front of its colon; YAML
// allows 1024 characters.
const maxSimpleKey = 1000

// write appends the value as YAML that reads back as the same value. It begins
// where s ends and puts further lines into the given column. The library's
// emitter spoils some texts, and the agent would carry it for this alone.
func (v *Value) write(s *strings.Builder, column int) {
	margin := "\n" + strings.Repeat(" ", column)
	switch {
	case len(v.Map) > 0:
		for i, e := range v.Map {
			if i > 0 {
				s.WriteString(margin)
			}
			key := e.Key.scalarText()
			if len(key) > maxSimpleKey {
				s.WriteString("? " + key + margin)
				key = ""
			}
			s.WriteString(key + ":")
			if len(e.Value.Map)+len(e.Value.List) > 0 {
				s.WriteString(margin + "    ")
			} else {
				s.WriteByte(' ')
			}
			e.Value.write(s, column+4)
		}
	case len(v.List) > 0:
		for i, item := range v.List {
			if i > 0 {
				s.WriteString(margin)
			}
			s.WriteString("- ")
			item.write(s, column+2)
		}
	case v.literal():
		text, ended := strings.CutSuffix(v.Text, "\n")
		s.WriteByte('|')
		if !ended {
			s.WriteByte('-')
		}
		s.WriteString(margin + strings.ReplaceAll(text, "\n", margin))
	default:
		s.WriteString(v.scalarText())
	}
}

// literal says whether the value is a text that can be written line by line
// and read back exactly: no line may be empty or begin or end in blanks.
func (v *Value) literal() bool {
	if v.Kind != String || !strings.Contains(v.Text, "\n") {
		return false
	}
	for line := range strings.Lines(v.Text) {
		if line = strings.TrimSuffix(line, "\n"); line != strings.TrimSpace(line) || line == "" {
			return false
		}
	}
	return !strings.ContainsFunc(v.Text, func(c rune) bool { return c != '\n' && (c < ' ' || c > '~') })
}

// scalarText gives what stands in one line: a scalar, or an empty list or mapping.
// Strings are quoted, so that no reader takes "yes" or "0644" for anything
// else; Go's escapes mean the same in YAML.
func (v *Value) scalarText() string {
	switch v.Kind {
	case Map:
		return "{}"
	case List:
		return "[]"
	case Absent, Null:
		return "null"
	case String:
		if utf8.ValidString(v.Text) {
			return strconv.Quote(v.Text)
		}
		fallthrough
	case Binary:
		return "!!binary " + strconv.Quote(base64.StdEncoding.EncodeToString([]byte(v.Text)))
	}
	if resolvePlain(v.Text).Kind == v.Kind {
		return v.Text
	}
	tag := map[Kind]string{Bool: "!!bool ", Int: "!!int ", Float: "!!float ", Timestamp: "!!timestamp "}
	return tag[v.Kind] + strconv.Quote(v.Text)
}
