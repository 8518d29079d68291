package userdata

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// seeds are documents of every kind for the fuzzers to start from.
func seeds() []string {
	message := "Content-Type: multipart/mixed; boundary=\"B\"\nMIME-Version: 1.0\n\n"
	return []string{
		"", "#!/bin/sh\n", "#cloud-config\nlaunch-index: 1\n", "\xef\xbb\xbf#cloud-config\n",
		message + "--B\nContent-Type: text/x-shellscript\nLaunch-Index: 2\n\n#!/bin/sh\n--B--\n",
		message + "--B\r\nContent-Transfer-Encoding: base64\r\n\r\nIyEvYmluL3NoCg==\r\n--B--\r\n",
		message + "--B\nContent-Type: multipart/mixed; boundary=C\n\n--C\n\n#include http://a/\n--C--\n--B\nContent-Type: message/rfc822\n\nA: b\n\n#!\n",
		message + "--B\nContent-Transfer-Encoding: quoted-printable\nContent-Disposition: attachment; filename*0*=utf-8''a%20; filename*1=b\n\n=23!/bin/sh=\n--B--\n",
		message + "--B\nContent-Transfer-Encoding: uuencode\n\nbegin 644 x\n#0V%T\n \nend\n--B--\n",
		"From x\nContent-Type: text/plain;\n name=x\nMIME-Version: 1.0\nFrom y\n\nbody",
		"#cloud-config-archive\n- type: text/x-shellscript\n  content: |\n    #!/bin/sh\n- &a {content: !!binary aGk=, Merge-Type: x}\n- *a\n- <<: *a\n",
		"#cloud-config-archive\n- content: \"x\n- content: y\n",
		"#include-once\nhttp://a/\n#include http://b/\n  #x\n",
		"## template: jinja\n#!/bin/sh\n", `{"ignition": {"version": "3.0.0"}}`, "variant: fcos\nversion: 1\n",
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range seeds() {
		f.Add([]byte(s), []byte("#!/bin/sh\n"))
		f.Add([]byte("#include\nhttp://a/\nhttp://b/\n"), []byte(s))
	}
	limits := DefaultLimits()
	limits.Total, limits.Parts, limits.Nesting = 1<<20, 64, 4
	f.Fuzz(func(t *testing.T, doc, included []byte) {
		answers := map[string]Answer{}
		for range limits.IncludeDepth + 2 {
			d := Decode(doc, "user-data", answers, limits)
			checkDecoded(t, d, limits)
			if again := Decode(doc, "user-data", answers, limits); len(again.Parts) != len(d.Parts) || len(again.Problems) != len(d.Problems) {
				t.Fatal("a second decoding gave something else")
			}
			if len(d.Wants) == 0 {
				return
			}
			for i, w := range d.Wants {
				if _, asked := answers[w.URL]; asked {
					t.Fatalf("%q is wanted again", w.URL)
				}
				answers[w.URL] = Answer{Body: included}
				if i%3 == 2 {
					answers[w.URL] = Answer{Err: errors.New("gone")}
				}
			}
		}
		// Each round answers everything, so depth alone bounds the rounds.
		t.Fatal("there is no end to the wants")
	})
}

// checkDecoded checks what holds of every result.
func checkDecoded(t *testing.T, d Decoded, limits Limits) {
	t.Helper()
	total, failed := 0, 0
	for i, p := range d.Parts {
		if p.Index != i+1 || p.Name == "" || p.Type == "" || p.Origin == "" {
			t.Fatalf("part %d is %+v", i, p)
		}
		total += len(p.Body)
		if p.Err != nil {
			failed++
		}
		if p.Err == nil && len(p.Body) > 0 && p.Type == TypeUnknown {
			t.Fatalf("part %d is unknown without an error", i)
		}
	}
	if len(d.Parts) > limits.Parts {
		t.Fatalf("%d parts", len(d.Parts))
	}
	if total > 2*limits.Total {
		t.Fatalf("%d bytes of bodies", total)
	}
	for _, p := range d.Problems {
		if p.Message == "" || p.Line < 0 || strings.Contains(p.Message, "\n") {
			t.Fatalf("problem %+v", p)
		}
		if p.Part != "" && !p.Warning {
			failed--
		}
	}
	if failed > 0 {
		t.Fatalf("%d parts carry an error that no problem tells of", failed)
	}
}

func FuzzMIME(f *testing.F) {
	for _, s := range seeds() {
		f.Add([]byte(s))
	}
	limits := DefaultLimits()
	limits.Parts, limits.Nesting, limits.Header = 100, 5, 1000
	f.Fuzz(func(t *testing.T, src []byte) {
		root := parseMIME(src, limits, func(line int, err error) {
			if line < 1 || line > bytes.Count(src, []byte("\n"))+bytes.Count(src, []byte("\r"))+1 {
				t.Fatalf("line %d: %v", line, err)
			}
		})
		leaves, entities := 0, 0
		var walk func(e *entity, depth int)
		walk = func(e *entity, depth int) {
			entities++
			if depth > limits.Nesting {
				t.Fatalf("nested %d deep", depth)
			}
			leaves += len(e.body)
			if e.container && e.body != nil {
				t.Fatal("a container with a body")
			}
			for _, f := range e.header {
				if f.name == "" || len(f.value) > limits.Header {
					t.Fatalf("field %q of %d bytes", f.name, len(f.value))
				}
			}
			for _, c := range e.children {
				walk(c, depth+1)
			}
		}
		walk(root, 0)
		if leaves > len(src) {
			t.Fatalf("%d bytes of bodies in %d", leaves, len(src))
		}
		if entities > limits.Parts+limits.Nesting+1 {
			t.Fatalf("%d entities", entities)
		}
	})
}

func FuzzTransfer(f *testing.F) {
	for _, e := range []string{"base64", "quoted-printable", "uuencode", "8bit"} {
		f.Add(e, []byte("IyEv\n=\n=23\nbegin 644 x\n#0V%T\nend\n"))
	}
	f.Fuzz(func(t *testing.T, encoding string, body []byte) {
		before := bytes.Clone(body)
		out, _ := decodeTransfer(encoding, body)
		if len(out) > len(body)+64 {
			t.Fatalf("%d bytes became %d", len(body), len(out))
		}
		if !bytes.Equal(before, body) {
			t.Fatal("the body was changed")
		}
	})
}

func FuzzHeader(f *testing.F) {
	f.Add(`attachment; filename="a\"b;c"; filename*0*=utf-8''a%20; filename*1=b`, "filename")
	f.Add(`multipart/mixed; boundary=x; charset=y`, "boundary")
	f.Fuzz(func(t *testing.T, value, name string) {
		h := header{{"X", value}}
		v, ok := h.param("x", name)
		if len(v) > 3*len(value) || !ok && v != "" {
			t.Fatalf("%q: %q", value, v)
		}
	})
}

func FuzzArchive(f *testing.F) {
	for _, s := range seeds() {
		f.Add([]byte(s))
	}
	limits := DefaultLimits()
	limits.Parts, limits.Total = 100, 1<<20
	f.Fuzz(func(t *testing.T, body []byte) {
		d := &decoder{limits: limits, wanted: map[string]bool{}}
		d.archive(body, source{origin: "user-data"})
		checkDecoded(t, d.out, limits)
	})
}

func FuzzInclude(f *testing.F) {
	for _, s := range seeds() {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		last := 0
		for _, a := range addresses(body) {
			if a.url == "" || a.line <= last && last > 0 || strings.ContainsAny(a.url, "\r\n") {
				t.Fatalf("%+v after line %d", a, last)
			}
			last = a.line
		}
	})
}

func FuzzLaunchIndex(f *testing.F) {
	f.Add([]byte("launch-index: 1\n"))
	f.Add([]byte("{a: &a {launch-index: 0x10}, <<: *a}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		payloadIndex(body, DefaultLimits())
	})
}
