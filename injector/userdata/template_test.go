package userdata_test

import (
	"errors"
	"testing"

	"boothook/injector/userdata"
	"boothook/netboot/instance"

	"github.com/google/go-cmp/cmp"
)

func TestRender(t *testing.T) {
	const first = "## template: jinja\n"
	vars := map[string]any{"region": "r1", "list": []any{"a", "b"}}
	for _, c := range []struct {
		name, body, holds string // the template, and what it says to hold
		typ, text         string // what it is rendered to; "" as it was
		problem           string
		warning           bool
		line              int
	}{
		{name: "cloud-config", body: first + "#cloud-config\nhostname: {{ region }}\n", holds: userdata.TypeCloudConfig,
			typ: userdata.TypeCloudConfig, text: "#cloud-config\nhostname: r1\n"},
		{name: "script", body: first + "#!/bin/sh\n{% for x in list %}\necho {{ x }}\n{% endfor %}\n", holds: userdata.TypeScript,
			typ: userdata.TypeScript, text: "#!/bin/sh\necho a\necho b\n\n"},
		{name: "boothook", body: first + "#cloud-boothook\n#!/bin/sh\n", holds: userdata.TypeBoothook,
			typ: userdata.TypeBoothook, text: "#cloud-boothook\n#!/bin/sh\n"},
		{name: "type in a branch", body: first + "{% if region %}\n#!/bin/sh\n{% endif %}\n",
			typ: userdata.TypeScript, text: "#!/bin/sh\n\n"},
		{name: "missing", body: first + "#!/bin/sh\n{{ nope }} {{ gone }}\n", holds: userdata.TypeScript,
			typ: userdata.TypeScript, text: "#!/bin/sh\nCI_MISSING_JINJA_VAR/nope CI_MISSING_JINJA_VAR/gone\n",
			problem: "template: no such variables: nope, gone", warning: true},
		{name: "syntax", body: first + "#!/bin/sh\n{{ a b }}\n", holds: userdata.TypeScript, typ: userdata.TypeJinja,
			problem: `template: line 3: unexpected "b" where the end of the tag should be`, line: 3},
		{name: "no first line", body: "#cloud-config\n", typ: userdata.TypeJinja,
			problem: `template: its first line has to be "## template: jinja"`, line: 1},
		{name: "other engine", body: "## template: basic\n#!/bin/sh\n", typ: userdata.TypeJinja,
			problem: `template: unknown engine "basic"`, line: 1},
		{name: "lenient first line", body: "##TEMPLATE:Jinja \n#!/bin/sh\n", holds: userdata.TypeScript,
			typ: userdata.TypeScript, text: "#!/bin/sh\n"},
		{name: "include", body: first + "#include\nhttp://a/\n", holds: userdata.TypeInclude, typ: userdata.TypeInclude,
			problem: "nothing handles this part: text/x-include-url cannot be a template", line: 1},
		{name: "unknown", body: first + "{{ region }}\n", typ: userdata.TypeUnknown,
			problem: "nothing handles this part: once rendered, its first line announces no type, as #! or #cloud-config would", line: 1},
		{name: "nothing", body: first + "{# nothing #}", typ: userdata.TypeUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			other := userdata.Part{Name: "other", Type: userdata.TypeScript, Body: []byte("{{ not a template }}")}
			broken := userdata.Part{Name: "broken", Type: userdata.TypeJinja, Err: errors.New("gzip")}
			part := userdata.Part{Name: "x", Origin: "user-data", Type: userdata.TypeJinja, Body: []byte(c.body)}
			if got := part.Holds(); got != c.holds {
				t.Errorf("it holds %q, want %q", got, c.holds)
			}
			in := []userdata.Part{other, part, broken}
			out, problems := userdata.Render(in, vars)
			var want []instance.Problem
			if c.problem != "" {
				want = []instance.Problem{{Origin: "user-data", Part: "x", Line: c.line, Message: c.problem, Warning: c.warning}}
			}
			if diff := cmp.Diff(want, problems); diff != "" {
				t.Errorf("problems: want (-), got (+):\n%s", diff)
			}
			if (out[1].Err != nil) != (c.problem != "" && !c.warning) {
				t.Errorf("its error is %v", out[1].Err)
			}
			if out[1].Type != c.typ || c.text != "" && string(out[1].Body) != c.text {
				t.Errorf("got %s: %q", out[1].Type, out[1].Body)
			}
			if string(out[0].Body) != string(other.Body) || out[2].Type != userdata.TypeJinja || in[1].Type != userdata.TypeJinja {
				t.Error("other parts or the input were changed")
			}
		})
	}
}

func TestUnixLines(t *testing.T) {
	for body, want := range map[string]string{
		"":                         "",
		"#!/bin/sh":                "#!/bin/sh",
		"#!/bin/sh\r\na\r\nb\n":    "#!/bin/sh\na\nb\n",
		"#!/bin/sh\na\r\n":         "#!/bin/sh\na\r\n",
		"#!/bin/sh\r\na\rb\r\r\n":  "#!/bin/sh\na\rb\r\n",
		"\n#!/bin/sh\r\n":          "\n#!/bin/sh\r\n",
		"\r\n#!/bin/sh\r\n":        "\n#!/bin/sh\n",
		"#!/bin/sh\r":              "#!/bin/sh\r",
		"#!\r\n\xff\x00\r\n\xfe\n": "#!\n\xff\x00\n\xfe\n",
	} {
		if got := string(userdata.UnixLines([]byte(body))); got != want {
			t.Errorf("%q became %q, want %q", body, got, want)
		}
	}
}
