package plan

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

const (
	// context is how many equal lines are shown around a difference.
	context = 3
	// maxDiffCells bounds the work of comparing two texts: lines times
	// lines. Above it the whole text counts as replaced.
	maxDiffCells = 4 << 20
)

// Diff writes changes as a unified diff, with modes, owners and links in the
// extended header lines that git uses. Secrets and files that are not text
// are named, not shown.
func Diff(w io.Writer, changes []Change) error {
	var b bytes.Buffer
	for _, c := range changes {
		diffOne(&b, c)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func diffOne(b *bytes.Buffer, c Change) {
	name := printable(strings.TrimPrefix(c.Path, "/"))
	fmt.Fprintf(b, "diff --boothook a/%s b/%s\n", name, name)
	switch {
	case c.Old.Kind == "":
		fmt.Fprintf(b, "new %s %s\n", c.New.Kind, c.New.perms())
	case c.New.Kind == "":
		fmt.Fprintf(b, "deleted %s %s\n", c.Old.Kind, c.Old.perms())
	case c.Old.Kind != c.New.Kind || c.Old.perms() != c.New.perms():
		fmt.Fprintf(b, "old %s %s\nnew %s %s\n", c.Old.Kind, c.Old.perms(), c.New.Kind, c.New.perms())
	}
	switch {
	case c.Secret:
		b.WriteString("secret content differs\n")
		return
	case !isText(c.Old.Body) || !isText(c.New.Body):
		if !bytes.Equal(c.Old.Body, c.New.Body) {
			fmt.Fprintf(b, "binary files differ (%d bytes, then %d)\n", len(c.Old.Body), len(c.New.Body))
		}
		return
	}
	hunks(b, c, name, lines(c.Old.text()), lines(c.New.text()))
}

// perms gives "0644 0:0", or the target of a link.
func (s State) perms() string {
	if s.Kind == "link" {
		return fmt.Sprintf("%d:%d", s.UID, s.GID)
	}
	return fmt.Sprintf("%04o %d:%d", s.Mode, s.UID, s.GID)
}

// text is what is compared: a file's content, or where a link points.
func (s State) text() string {
	if s.Kind == "link" {
		return s.Target
	}
	return string(s.Body)
}

func isText(body []byte) bool {
	return utf8.Valid(body) && !bytes.ContainsFunc(body, func(c rune) bool {
		return c < ' ' && c != '\n' && c != '\t' && c != '\r' && c != '\f' || c >= 0x7f && c < 0xa0
	})
}

// lines splits a text and keeps the newlines, so that a last line without one
// differs from a last line with one.
func lines(text string) []string {
	list := strings.SplitAfter(text, "\n")
	if list[len(list)-1] == "" {
		list = list[:len(list)-1]
	}
	return list
}

// An edit is one line of a diff: ' ' in both, '-' in the old, '+' in the new.
type edit struct {
	sign byte
	line string
}

func hunks(b *bytes.Buffer, c Change, name string, old, new []string) {
	edits := compare(old, new)
	header := func() {
		from, to := "a/"+name, "b/"+name
		if c.Old.Kind == "" {
			from = "/dev/null"
		}
		if c.New.Kind == "" {
			to = "/dev/null"
		}
		fmt.Fprintf(b, "--- %s\n+++ %s\n", from, to)
	}
	oldLine, newLine := 1, 1 // of edits[i]
	for i := 0; i < len(edits); {
		if edits[i].sign == ' ' {
			i, oldLine, newLine = i+1, oldLine+1, newLine+1
			continue
		}
		if header != nil {
			header()
			header = nil
		}
		lead := min(context, i, oldLine-1, newLine-1)
		end := hunkEnd(edits, i)
		oldLine, newLine = writeHunk(b, edits[i-lead:end], oldLine-lead, newLine-lead)
		i = end
	}
}

// hunkEnd is where the hunk that begins at i ends: after the last difference
// that is not more than two contexts away from the one before, and its context.
func hunkEnd(edits []edit, i int) int {
	last := i
	for k := i; k < len(edits) && k-last <= 2*context; k++ {
		if edits[k].sign != ' ' {
			last = k
		}
	}
	return min(last+1+context, len(edits))
}

func writeHunk(b *bytes.Buffer, edits []edit, oldLine, newLine int) (int, int) {
	var olds, news int
	for _, e := range edits {
		if e.sign != '+' {
			olds++
		}
		if e.sign != '-' {
			news++
		}
	}
	fmt.Fprintf(b, "@@ -%s +%s @@\n", span(oldLine, olds), span(newLine, news))
	for _, e := range edits {
		b.WriteByte(e.sign)
		b.WriteString(e.line)
		if !strings.HasSuffix(e.line, "\n") {
			b.WriteString("\n\\ No newline at end of file\n")
		}
	}
	return oldLine + olds, newLine + news
}

// span is "LINE,COUNT" as patch(1) wants it: an empty span names the line
// before it.
func span(line, count int) string {
	switch count {
	case 0:
		return fmt.Sprintf("%d,0", line-1)
	case 1:
		return fmt.Sprint(line)
	}
	return fmt.Sprintf("%d,%d", line, count)
}

// compare finds the longest common subsequence of two texts, after cutting
// off what they have in common at both ends.
func compare(old, new []string) []edit {
	var head, tail []edit
	for len(old) > 0 && len(new) > 0 && old[0] == new[0] {
		head = append(head, edit{' ', old[0]})
		old, new = old[1:], new[1:]
	}
	for len(old) > 0 && len(new) > 0 && old[len(old)-1] == new[len(new)-1] {
		tail = append(tail, edit{' ', old[len(old)-1]})
		old, new = old[:len(old)-1], new[:len(new)-1]
	}
	edits := append(head, middle(old, new)...)
	for i := len(tail) - 1; i >= 0; i-- {
		edits = append(edits, tail[i])
	}
	return edits
}

func middle(old, new []string) []edit {
	var edits []edit
	n, m := len(old), len(new)
	common := make([][]int32, 0)
	if n*m <= maxDiffCells {
		common = commonSuffixes(old, new)
	}
	i, k := 0, 0
	for i < n || k < m {
		switch {
		case len(common) > 0 && i < n && k < m && old[i] == new[k]:
			edits = append(edits, edit{' ', old[i]})
			i, k = i+1, k+1
		case i < n && (k == m || len(common) == 0 || common[i+1][k] >= common[i][k+1]):
			edits = append(edits, edit{'-', old[i]})
			i++
		default:
			edits = append(edits, edit{'+', new[k]})
			k++
		}
	}
	return edits
}

// commonSuffixes gives for each pair of positions the length of the longest
// common subsequence of what follows them.
func commonSuffixes(old, new []string) [][]int32 {
	t := make([][]int32, len(old)+1)
	cells := make([]int32, (len(old)+1)*(len(new)+1))
	for i := range t {
		t[i] = cells[i*(len(new)+1) : (i+1)*(len(new)+1)]
	}
	for i := len(old) - 1; i >= 0; i-- {
		for k := len(new) - 1; k >= 0; k-- {
			if old[i] == new[k] {
				t[i][k] = t[i+1][k+1] + 1
			} else {
				t[i][k] = max(t[i+1][k], t[i][k+1])
			}
		}
	}
	return t
}
