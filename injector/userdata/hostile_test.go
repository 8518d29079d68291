package userdata_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"boothook/injector/userdata"
	"boothook/scripts/cputime"
)

// What DefaultLimits promises of 1 KiB of hostile input. The test allows more
// time than is promised, for slow and busy machines.
const (
	hostileSize   = 1 << 10
	hostileMemory = 64 << 20
	hostileTime   = 5 * time.Second
)

func compress(plain []byte) []byte {
	var out bytes.Buffer
	z, _ := gzip.NewWriterLevel(&out, gzip.BestCompression)
	z.Write(plain)
	z.Close()
	return out.Bytes()
}

// filling compresses as many copies of s as a decoder with the default
// limits still unpacks.
func filling(head, s, tail string, room int) []byte {
	n := (userdata.DefaultLimits().GzipFloor - len(head) - len(tail)) / len(s)
	for ; ; n = n * 9 / 10 {
		if z := compress([]byte(head + strings.Repeat(s, n) + tail)); len(z) <= room {
			return z
		}
	}
}

func inPart(contentType string, body []byte) []byte {
	return fmt.Appendf(nil, "MIME-Version: 1.0\nContent-Type: %s\nContent-Transfer-Encoding: base64\n\n%s\n",
		contentType, base64.StdEncoding.EncodeToString(body))
}

func nested(n int) string {
	var sb strings.Builder
	sb.WriteString("MIME-Version: 1.0\n")
	for i := range n {
		fmt.Fprintf(&sb, "Content-Type: multipart/mixed; boundary=%d\n\n--%d\n", i, i)
	}
	return sb.String() + "\n#!/bin/sh\n"
}

func aliases(width, depth int) string {
	var sb strings.Builder
	sb.WriteString("#cloud-config-archive\n- &a0 {content: \"" + strings.Repeat("x", 200) + "\"}\n")
	for i := 1; i <= depth; i++ {
		fmt.Fprintf(&sb, "- &a%d {<<: [%s], x: [%s]}\n", i,
			strings.Repeat(fmt.Sprintf("*a%d, ", i-1), width), strings.Repeat(fmt.Sprintf("*a%d, ", i-1), width))
	}
	return sb.String()
}

// A cost is what one decoding took.
func cost(doc []byte, answers map[string]userdata.Answer) (userdata.Decoded, uint64, time.Duration) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := cputime.Used()
	d := userdata.Decode(doc, "user-data", answers, userdata.DefaultLimits())
	took := cputime.Used() - start
	runtime.ReadMemStats(&after)
	return d, after.TotalAlloc - before.TotalAlloc, took
}

func TestHostile(t *testing.T) {
	room := hostileSize * 3 / 4 * 9 / 10 // what base64 leaves of it
	message := "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"\"\n\n"
	for name, doc := range map[string][]byte{
		"gzip":                 filling("#!/bin/sh\n", "\x00", "", hostileSize),
		"gzip in gzip":         compress(filling("#!/bin/sh\n", "\x00", "", hostileSize)),
		"gzip part":            inPart("application/gzip", filling("#!/bin/sh\n", "\x00", "", room)),
		"many gzip parts":      []byte(message + strings.Repeat("--\nContent-Type: application/gzip\n\n\x1f\x8b\x08\n", 20)),
		"gzip of parts":        filling(message, "--\n\n", "", hostileSize),
		"gzip of headers":      filling(message+"--\n", "A:\n", "", hostileSize),
		"gzip of folded":       filling(message+"--\nA: b\n", " c\n", "", hostileSize),
		"gzip of parameters":   filling("MIME-Version: 1.0\nContent-Type: a/b", ";a*0=b", "\n\n", hostileSize),
		"gzip of quotes":       filling("MIME-Version: 1.0\nContent-Type: a/b;", "\";", "\n\n", hostileSize),
		"gzip of returns":      filling("MIME-Version: 1.0\n\n", "\r", "", hostileSize),
		"gzip of boundaries":   filling(message+"--\n", "--\n", "", hostileSize),
		"gzip of items":        filling("#cloud-config-archive\n", "- a\n", "", hostileSize),
		"gzip of nothings":     filling("#cloud-config-archive\n", "-\n", "", hostileSize),
		"gzip of broken items": filling("#cloud-config-archive\n- \"", "- {content: a}\n", "", hostileSize),
		"gzip of brackets":     filling("#cloud-config-archive\n", "[", "", hostileSize),
		"gzip of indents":      filling("#cloud-config-archive\n", "- ", "", hostileSize),
		"gzip of keys":         filling("#cloud-config\nlaunch-index: 1\n", "a:\n", "", hostileSize),
		"gzip of deep keys":    filling("#cloud-config\nlaunch-index: ", "{a: ", "", hostileSize),
		"gzip of includes":     filling("#include\n", "http://a/\n", "", hostileSize),
		"gzip of aliases":      filling("#cloud-config-archive\n- &a {content: "+strings.Repeat("x", 1000)+"}\n", "- *a\n", "", hostileSize),
		"gzip of JSON":         filling("{", "\"a\":[", "", hostileSize),
		"gzip of variants":     filling("", "variant: a\n", "", hostileSize),
		"nested":               []byte(nested(22)),
		"messages in messages": []byte("MIME-Version: 1.0\n" + strings.Repeat("Content-Type: message/rfc822\n\n", 33)),
		"aliases":              []byte(aliases(7, 6)),
		"aliases deep":         []byte(aliases(1, 22)),
		"alias of itself":      []byte("#cloud-config-archive\n- &a [*a]\n- &b {content: *b}\n- &c {<<: *c}\n"),
		"include of itself":    []byte("#include\nhttp://fan/\n"),
		"uuencode":             []byte("MIME-Version: 1.0\nContent-Transfer-Encoding: uuencode\n\nbegin 644 x\n" + strings.Repeat("_\n", 400)),
	} {
		t.Run(name, func(t *testing.T) {
			if len(doc) > hostileSize*11/10 {
				t.Fatalf("the input has %d bytes", len(doc))
			}
			// Each document of this fan includes 64 others, to no end.
			answers := map[string]userdata.Answer{}
			fan := "#include\nhttp://fan/\n"
			for i := range 64 {
				fan += fmt.Sprintf("http://fan/%d\n", i)
			}
			answers["http://fan/"] = userdata.Answer{Body: []byte(fan)}
			for i := range 64 {
				answers[fmt.Sprintf("http://fan/%d", i)] = userdata.Answer{Body: []byte(fan)}
			}
			d, memory, took := cost(doc, answers)
			t.Logf("%d bytes: %d parts, %d problems, %.1f MiB, %s", len(doc), len(d.Parts), len(d.Problems), float64(memory)/(1<<20), took)
			if memory > hostileMemory {
				t.Errorf("%d bytes were allocated", memory)
			}
			if took > hostileTime {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// Each limit is reached, said so, and what came before it is kept.
func TestLimits(t *testing.T) {
	script := "#!/bin/sh\n"
	message := "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=B\n\n"
	part := "--B\n\n" + script + "\n"
	small := userdata.DefaultLimits()
	small.Total, small.Parts, small.Nesting, small.IncludeDepth, small.Includes = 1000, 5, 2, 2, 3
	small.Header, small.GzipFloor, small.YAML = 100, 200, 300
	chain := map[string]userdata.Answer{}
	for i := range 9 {
		chain[fmt.Sprint("/", i)] = userdata.Answer{Body: fmt.Appendf(nil, "#include\n/%d\n", i+1)}
	}
	chain["/script"] = userdata.Answer{Body: []byte(script)}
	for _, c := range []struct {
		name, doc, says string
		parts           int
	}{
		{"total", script + strings.Repeat("#", 1000), "documents and parts of more than 1000 bytes", 0},
		{"total of includes", "#include\n" + "/script\n/big\n/script\n", "more than 1000 bytes", 1},
		{"parts", message + strings.Repeat(part, 9), "of more than 5 entities", 5},
		{"archive items", "#cloud-config-archive\n" + strings.Repeat("- '#!'\n", 9), "more than 5 items", 5},
		{"nesting", message + part + "--B\nContent-Type: multipart/mixed; boundary=C\n\n--C\nContent-Type: multipart/mixed; boundary=D\n\n--D\n\n#!\n" + part, "deeper than 2", 2},
		{"include depth", "#include\n/7\n", "more than 2 deep", 0},
		{"includes", "#include\n" + strings.Repeat("/script\n", 9), "more than 3 includes", 3},
		{"header", "MIME-Version: 1.0\nContent-Disposition: attachment; filename=x\nX: " + strings.Repeat("y", 200) + "\nContent-Type: text/html\n\n" + script, "header of more than 100 bytes", 1},
		{"gzip", string(compress([]byte(script + strings.Repeat("#", 1<<20)))), "expand to more than", 1},
		{"archive", "#cloud-config-archive\n- '#!" + strings.Repeat("#", 300) + "'\n", "archive of more than 300 bytes", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			chain["/big"] = userdata.Answer{Body: []byte(strings.Repeat("#", 2000))}
			limits := small
			if c.name == "gzip" {
				limits.Total, limits.GzipRatio = 1<<20, 2
			}
			d := userdata.Decode([]byte(c.doc), "user-data", chain, limits)
			found := false
			for _, p := range d.Problems {
				found = found || strings.Contains(p.Message, c.says) && strings.Contains(p.Message, userdata.ErrLimit.Error())
			}
			if !found {
				t.Errorf("no problem says %q: %v", c.says, d.Problems)
			}
			if len(d.Parts) != c.parts {
				t.Errorf("%d parts, want %d", len(d.Parts), c.parts)
			}
		})
	}
}

func goodParts(d userdata.Decoded) (n int) {
	for _, p := range d.Parts {
		if p.Err == nil && string(p.Body) == "#!/bin/sh\necho good\n" {
			n++
		}
	}
	return n
}

// A bad neighbour of each kind, and the good parts before and after it.
func TestIsolation(t *testing.T) {
	good := "Content-Type: text/x-shellscript\n\n#!/bin/sh\necho good\n"
	answers := map[string]userdata.Answer{
		"http://bad/":  {Err: errors.New("404 not found")},
		"http://good/": {Body: []byte("#!/bin/sh\necho good\n")},
	}
	broken := base64.StdEncoding.EncodeToString(compress([]byte("#!/bin/sh\n"))[:20])
	for name, bad := range map[string]string{
		"include":         "Content-Type: text/x-include-url\n\nhttp://bad/\n",
		"gzip":            "Content-Type: application/gzip\nContent-Transfer-Encoding: base64\n\n" + broken + "\n",
		"base64":          "Content-Type: text/x-shellscript\nContent-Transfer-Encoding: base64\n\nabcde\n",
		"uuencode":        "Content-Type: text/x-shellscript\nContent-Transfer-Encoding: uuencode\n\nx\n",
		"archive":         "Content-Type: text/cloud-config-archive\n\n{\n",
		"archive item":    "Content-Type: text/cloud-config-archive\n\n- {type: x, content: y}\n",
		"archive content": "Content-Type: text/cloud-config-archive\n\n- {content: [y]}\n",
		"no boundary":     "Content-Type: multipart/mixed\n\n--C\n\n#!/bin/sh\n",
		"wrong boundary":  "Content-Type: multipart/mixed; boundary=D\n\n--C\n\n#!/bin/sh\n",
		"unknown type":    "Content-Type: application/x-unknown\n\nx\n",
		"byte-order mark": "Content-Type: text/plain\n\n\xef\xbb\xbf#!/bin/sh\n",
		"not UTF-8":       "Content-Type: text/plain\n\n\xff\xfe\x00\n",
		"foreign":         "Content-Type: text/plain\n\n{\"ignition\": {}}\n",
	} {
		t.Run(name, func(t *testing.T) {
			doc := "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=B\n\n" +
				"--B\n" + good + "\n--B\n" + bad + "\n--B\nContent-Type: text/x-include-url\n\nhttp://good/\n\n--B\n" + good + "\n--B--\n"
			d := userdata.Decode([]byte(doc), "user-data", answers, userdata.DefaultLimits())
			if fine := goodParts(d); fine != 3 {
				t.Errorf("%d of 3 good parts are left", fine)
			}
			// With the isolation taken out this test would fail.
			out := userdata.Decode([]byte(doc), "user-data", answers, userdata.Fragile(userdata.DefaultLimits()))
			if fine := goodParts(out); fine == 3 {
				t.Error("without isolation nothing is lost: the test proves nothing")
			}
			if len(d.Problems) == 0 || d.Problems[0].Warning {
				t.Error("nothing is said of the bad one")
			}
		})
	}
}
