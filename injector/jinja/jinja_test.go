package jinja

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func variables(t testing.TB) map[string]any {
	t.Helper()
	var vars map[string]any
	readJSON(t, "testdata/variables.json", &vars)
	return vars
}

func readJSON(t testing.TB, name string, v any) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

// The wanted texts are what Jinja2 3.1.6 gave with cloud-init's settings.
func TestRenderLikeJinja2(t *testing.T) {
	var cases []struct{ Template, Want string }
	readJSON(t, "testdata/render.json", &cases)
	vars := variables(t)
	for _, c := range cases {
		got, _, err := Render([]byte(c.Template), vars)
		if err != nil {
			t.Errorf("%q: %v", c.Template, err)
			continue
		}
		if diff := cmp.Diff(c.Want, string(got)); diff != "" {
			t.Errorf("%q: want (-), got (+):\n%s", c.Template, diff)
		}
	}
}

func TestMissing(t *testing.T) {
	out, missing, err := Render([]byte("{{ nope }} {{ v1.gone }} {{ nope|default('x') }} {% if other %}{% endif %}{{ nope }}\n"), variables(t))
	if err != nil {
		t.Fatal(err)
	}
	if want := "CI_MISSING_JINJA_VAR/nope CI_MISSING_JINJA_VAR/gone x CI_MISSING_JINJA_VAR/nope\n"; string(out) != want {
		t.Errorf("got %q, want %q", out, want)
	}
	if diff := cmp.Diff([]string{"nope", "gone"}, missing); diff != "" {
		t.Errorf("missing: want (-), got (+):\n%s", diff)
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct{ template, want string }{
		{"a\n{{ b", `line 2: a tag without its "}}"`},
		{"{% if a %}\n\n", "line 2: the template ends before {% endif %}"},
		{"x\n{% endif %}", `line 2: unknown block "endif"`},
		{"{# never closed", `line 1: a comment without its "#}"`},
		{"{% raw %}x", "line 1: raw without endraw"},
		{"{{ 'abc }}", "line 1: a string without its closing quote"},
		{"{{ a b }}", `line 1: unexpected "b" where "}}" should be`},
		{"{{ }}", `line 1: unexpected "}}" where an expression should be`},
		{"{{ a[ }}", `line 1: unexpected "}"`},
		{"{{ a ! b }}", "line 1: unexpected character '!'"},
		{"{{ 1 + }}", `line 1: unexpected "}}" where an expression should be`},
		{"{% for in l %}{% endfor %}", `line 1: unexpected "in" where a name should be`},
		{"{% frobnicate %}", `line 1: unknown block "frobnicate"`},
		{"{{ 99999999999999999999 }}", `line 1: "99999999999999999999" is no number`},
		{"{{ nope is defined if a else 1 }}", `line 1: unexpected "if" where an expression should be`},
		{"\n{{ nope.a }}", `line 2: "nope" is undefined`},
		{"{{ nope + 1 }}", `line 1: "nope" is undefined`},
		{"{{ a-nope }}", `line 1: "nope" is undefined`},
		{"{{ local-hostname }}", `line 1: undefined variable "local-hostname": this is a subtraction; perhaps "local_hostname" is meant`},
		{"{{ 1 / 0 }}", "line 1: division by zero"},
		{"{{ 9223372036854775807 + 1 }}", "line 1: a number out of range"},
		{"{{ 2 ** 100 }}", "line 1: a number out of range"},
		{"{{ 'a' + 1 }}", `line 1: "+" of a string and a number`},
		{"{{ 'a' < 1 }}", "line 1: values of different kinds have no order"},
		{"{% for x in 5 %}{% endfor %}", "line 1: a number cannot be gone through"},
		{"{% for x, y in [1] %}{% endfor %}", "line 1: a number cannot be gone through"},
		{"{% for x, y in [[1]] %}{% endfor %}", "line 1: 2 names for 1 values"},
		{"{{ s() }}", "line 1: a string cannot be called"},
		{"{{ s|replace('a', 'b', 1, 2) }}", "line 1: replace: too many arguments"},
	} {
		_, _, err := Render([]byte(c.template), variables(t))
		if err == nil || err.Error() != "template: "+c.want {
			t.Errorf("%q: got %v, want %s", c.template, err, c.want)
		}
	}
}

func TestUnsupported(t *testing.T) {
	for template, name := range map[string]string{
		"{% macro m() %}{% endmacro %}":        "{% macro %}",
		"{% do l.append(1) %}":                 "{% do %}",
		"{% include 'x' %}":                    "{% include %}",
		"{% import 'x' as y %}":                "{% import %}",
		"{% extends 'x' %}":                    "{% extends %}",
		"{% filter upper %}x{% endfilter %}":   "{% filter %}",
		"{% with a = 1 %}{% endwith %}":        "{% with %}",
		"{% set x %}a{% endset %}":             "{% set %} of a block",
		"{% set ns.x = 1 %}":                   "{% set %} of an attribute",
		"{% for x in l recursive %}{%endfor%}": "a recursive loop",
		"{{ l|batch(2) }}":                     `the filter "batch"`,
		"{{ l|map('batch') }}":                 `the filter "batch"`,
		"{{ s is callable }}":                  `the test "callable"`,
		"{{ l|select('callable')|list }}":      `the test "callable"`,
		"{{ namespace() }}":                    `the function "namespace"`,
		"{{ s.format(1) }}":                    `the function "format"`,
		"{{ s.__class__.__mro__ }}":            "",
		"{{ 'a%s' % 1 }}":                      "formatting with %",
		"{{ range(*l) }}":                      "arguments from a list or mapping",
		"{{ l|join(sep=1) }}":                  "the argument sep of join",
	} {
		_, _, err := Render([]byte(template), variables(t))
		switch {
		case name == "" && err == nil: // must not get anywhere
			t.Errorf("%q was rendered", template)
		case name != "" && (!errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), name)):
			t.Errorf("%q: got %v, want a refusal of %s", template, err, name)
		}
	}
}

func TestLimits(t *testing.T) {
	for name, template := range map[string]string{
		"steps":     "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
		"output":    "{% for a in range(2000) %}{{ 'x' * 1000 }}{% endfor %}",
		"repeat":    "{{ 'x' * 9999999999 }}",
		"list":      "{{ [1] * 9999999999 }}",
		"range":     "{{ range(9999999999)|list }}",
		"doubling":  "{% set a = 'xxxxxxxx' %}" + strings.Repeat("{% set a = a ~ a %}", 60),
		"sharing":   "{% set a = [1] %}" + strings.Repeat("{% set a = [a, a] %}", 60) + "{{ a }}",
		"json":      "{% set a = [1] %}" + strings.Repeat("{% set a = [a, a] %}", 60) + "{{ a|tojson }}",
		"equality":  "{% set a = [1] %}{% set b = [1] %}" + strings.Repeat("{% set a = [a, a] %}{% set b = [b, b] %}", 60) + "{{ a == b }}",
		"replace":   "{{ ('x' * 1000)|replace('x', 'y' * 100000) }}",
		"indent":    "{{ ('\n' * 100000)|indent(1000, true, true) }}",
		"join":      "{{ range(100000)|join('x' * 1000) }}",
		"parens":    "{{ " + strings.Repeat("(", 100000) + "1" + strings.Repeat(")", 100000) + " }}",
		"not":       "{{ " + strings.Repeat("not ", 100000) + "1 }}",
		"minus":     "{{ " + strings.Repeat("- ", 100000) + "1 }}",
		"plus":      "{{ 1" + strings.Repeat(" + 1", 100000) + " }}",
		"ands":      "{{ 1" + strings.Repeat(" and 1", 100000) + " }}",
		"attribute": "{{ a" + strings.Repeat(".a", 100000) + " }}",
		"filters":   "{{ s" + strings.Repeat("|upper", 100000) + " }}",
		"blocks":    strings.Repeat("{% if 1 %}", 100000),
		"elifs":     "{% if 0 %}" + strings.Repeat("{% elif 0 %}", 50000) + "{% endif %}",
		"size":      strings.Repeat("x", MaxTemplate+1),
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			if _, _, err := Render([]byte(template), variables(t)); !errors.Is(err, ErrLimit) {
				t.Errorf("got %v, want %v", err, ErrLimit)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestVariables(t *testing.T) {
	data := map[string]any{
		"v1":     map[string]any{"region": "r", "public-keys": []any{"k"}},
		"v2":     map[string]any{"region": "r2"},
		"vx":     map[string]any{"other": 1.0},
		"ds":     map[string]any{"v1.0": map[string]any{"user-data": "u"}, "a//b": 1.0},
		"region": "old",
	}
	out, _, err := Render([]byte("{{ region }} {{ public_keys[0] }} {{ ds.v1_0.user_data }} {{ ds['v1.0']['user-data'] }} {{ ds.a_b }} {{ other }}"), Variables(data))
	if err != nil {
		t.Fatal(err)
	}
	if want := "r2 k u u 1 CI_MISSING_JINJA_VAR/other"; string(out) != want {
		t.Errorf("got %q, want %q", out, want)
	}
	if _, ok := data["public_keys"]; ok || data["region"] != "old" {
		t.Error("the data was changed")
	}
}

func FuzzRender(f *testing.F) {
	var cases []struct{ Template string }
	readJSON(f, "testdata/render.json", &cases)
	for _, c := range cases {
		f.Add(c.Template)
	}
	vars := variables(f)
	f.Fuzz(func(t *testing.T, template string) {
		out, _, err := Render([]byte(template), vars)
		if err == nil && len(out) > MaxOutput+1 {
			t.Errorf("%d bytes of output", len(out))
		}
		again, _, err2 := Render([]byte(template), vars)
		if string(again) != string(out) || (err == nil) != (err2 == nil) {
			t.Error("a second rendering gave something else")
		}
	})
}
