package jinja

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boothook/scripts/cputime"
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

// TestRenderLikeCloudInit holds templates of which something was different
// once. scripts/conformance/jinja records what cloud-init makes of them (null
// where it refuses), and draws many more.
func TestRenderLikeCloudInit(t *testing.T) {
	var cases []struct {
		Template string
		Want     *string
	}
	readJSON(t, "testdata/cloudinit.json", &cases)
	var data map[string]any
	readJSON(t, "../../scripts/conformance/jinja/variables.json", &data)
	vars := Variables(data)
	refused := 0
	for _, c := range cases {
		got, _, err := Render([]byte(c.Template), vars)
		switch {
		case err == nil && (c.Want == nil || *c.Want != string(got)):
			t.Errorf("%q gives %q", c.Template, got)
		case err != nil && c.Want != nil:
			refused++
			t.Logf("refused here alone: %q: %v", c.Template, err)
		}
	}
	if refused > len(cases)/3 {
		t.Errorf("%d of %d are refused", refused, len(cases))
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
		{"{% if a %}\n\n{{ a }}", "line 3: the template ends before endif"},
		{"{% if a %}{% else %}{% elif a %}{% endif %}", "line 1: elif where nothing is open"},
		{"x\n{% endif %}", "line 2: endif where nothing is open"},
		{"\n{# never closed", `line 2: a comment without its "#}"`},
		{"{% raw %}x", "line 1: raw without endraw"},
		{"{{ 'abc }}", "line 1: a string without its closing quote"},
		{"{{ a b }}", `line 1: unexpected "b" where the end of the tag should be`},
		{"{{ }}", `line 1: unexpected "}}" where an expression should be`},
		{"{{ a[ }}", `line 1: a tag without its "}}"`},
		{"{{ a[1 2] }}", `line 1: unexpected "2" where "]" should be`},
		{"{{ a[] }}", `line 1: unexpected "]" where an expression should be`},
		{"{{ a ! b }}", `line 1: unexpected character "!"`},
		{"{{ 1 + }}", `line 1: unexpected "}}" where an expression should be`},
		{"{{ a. }}", `line 1: unexpected "}}" where a name should be`},
		{"{% for 1 in l %}{% endfor %}", `line 1: unexpected "1" where a name should be`},
		{"{{ 99999999999999999999 }}", "line 1: 99999999999999999999 is no number"},
		{"{{ 9x }}", "line 1: 9x is no number"},
		{"{{ nope is defined if a else 1 }}", `line 1: unexpected "if" where an expression should be`},
		{"{% if false %}{{ a b }}{% endif %}", `line 1: unexpected "b" where the end of the tag should be`},
		{"\n{{ nope.a }}", `line 2: "nope" is undefined`},
		{"{{ nope[0] }}", `line 1: "nope" is undefined`},
		{"{{ nope + 1 }}", `line 1: "nope" is undefined`},
		{"{{ a-nope }}", `line 1: "nope" is undefined`},
		{"{{ local-hostname }}", `line 1: "hostname" is undefined; if local-hostname is one name, write it with "_"`},
		{"{{ 1 / 0 }}", "line 1: division by zero"},
		{"{{ 1 // 0 }}", "line 1: division by zero"},
		{"{{ 1 % 0 }}", "line 1: division by zero"},
		{"{{ 9007199254740000 + 9007199254740000 }}", "line 1: a number out of range"},
		{"{{ 'a' < 1 }}", "line 1: a string and a number have no order"},
		{"{{ 1 in 'a' }}", "line 1: a number is not part of a string"},
		{"{{ 1 in 1 }}", "line 1: a number cannot be gone through"},
		{"{% for x in 5 %}{% endfor %}", "line 1: a number cannot be gone through"},
		{"{% for x, y in [1] %}{% endfor %}", "line 1: a number cannot be gone through"},
		{"{% for x, y in [[1]] %}{% endfor %}", "line 1: as many names as values are needed"},
		{"{{ s() }}", "line 1: a string cannot be called"},
		{"{{ a|length }}", "line 1: a number has no length"},
		{"{{ s|items }}", "line 1: a string is no mapping"},
		{"{{ range(1, 2, 0) }}", "line 1: a range with a step of 0"},
		{"{{ range() }}", "line 1: none where a whole number should be"},
		{"{{ 1 is in }}", "line 1: what to compare with is missing"},
		{"{{ s.replace(1, 2) }}", "line 1: a number where a string should be"},
		{"{{ l|map(attribute=1.5) }}", "line 1: a number where a whole number should be"},
		{"{{ 007 }}", "line 1: 007 is no number"},
		{"{{ ','.join([1]) }}", "line 1: a number where a string should be"},
		{"{{ [[1]]|unique|list }}", "line 1: a list cannot be looked up"},
		{"{{ 'a\\x4' }}", "line 1: an escape that is none"},
		{"{{ 1 +}}", `line 1: unexpected "}}" where an expression should be`},
		{"{{ +'a' }}", "line 1: a string has no sign"},
		{"{{ 5|indent }}", "line 1: a number cannot be indented"},
		{"{% if 1 if 2 %}{% endif %}", `line 1: unexpected "if" where the end of the tag should be`},
		{"{{ s.upper|tojson }}", "line 1: a method has no JSON form"},
	} {
		_, _, err := Render([]byte(c.template), variables(t))
		if err == nil || err.Error() != "template: "+c.want {
			t.Errorf("%q: got %v, want %s", c.template, err, c.want)
		}
	}
}

func TestUnsupported(t *testing.T) {
	for template, name := range map[string]string{
		"{% macro m() %}{% endmacro %}":                  `the block "macro"`,
		"{% do l.append(1) %}":                           `the block "do"`,
		"{% include 'x' %}":                              `the block "include"`,
		"{% import 'x' as y %}":                          `the block "import"`,
		"{% extends 'x' %}":                              `the block "extends"`,
		"{% filter upper %}x{% endfilter %}":             `the block "filter"`,
		"{% with a = 1 %}{% endwith %}":                  `the block "with"`,
		"{% set x %}a{% endset %}":                       `set with "%}"`,
		"{% set ns.x = 1 %}":                             `set with "."`,
		"{% for x in l recursive %}{% endfor %}":         `the loop with "recursive"`,
		"{% for x in 1, 2 %}{% endfor %}":                `the loop with ","`,
		"{{ l|batch(2) }}":                               `the filter "batch"`,
		"{% if false %}{{ l|batch(2) }}{% endif %}":      `the filter "batch"`,
		"{{ l|map('upper') }}":                           `map without "attribute="`,
		"{{ s is callable }}":                            `the test "callable"`,
		"{{ false and s is callable }}":                  `the test "callable"`,
		"{{ namespace() }}":                              `the function "namespace"`,
		"{{ s.format(1) }}":                              `the function "format"`,
		"{{ s.__class__() }}":                            `the function "__class__"`,
		"{{ 'a%s' % 1 }}":                                `a string and a number with "%"`,
		"{{ 'a' * 2 }}":                                  `a string and a number with "*"`,
		"{{ 2 ** 2 }}":                                   `the operator "**"`,
		"{{ l[::2] }}":                                   `a slice with "a step"`,
		"{{ {1: 2} }}":                                   `a key that is "a number"`,
		"{{ range(*l) }}":                                `an argument with "*"`,
		"{{ l|join(sep=1) }}":                            `an argument of "join"`,
		"{{ range(3) }}":                                 `the text of "a stream"`,
		"{{ l|reverse }}":                                `the text of "a stream"`,
		"{{ d.keys() }}":                                 `the text of "a stream"`,
		"{{ s.upper }}":                                  `the text of "a method"`,
		"{{ s.title }}":                                  `the function "title"`,
		"{{ dict }}":                                     `the function "dict"`,
		"{% set g = l|unique %}{{ g|list }}{{ g|list }}": `a second time`,
		"{{ ('<'|safe) + '<' }}":                         `a string and a string with "+"`,
		"{{ 'Σ'|lower }}":                                `the case of`,
		"{% for x in l %}{{ loop.cycle }}{% endfor %}":   `of loop "cycle"`,
		"{{ s|replace('a', 'b', 1, 2) }}":                `an argument of "replace"`,
	} {
		if _, _, err := Render([]byte(template), variables(t)); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), name) {
			t.Errorf("%q: got %v, want a refusal of %s", template, err, name)
		}
	}
}

// large is a template that makes the string x of 2^n bytes.
func large(n int) string {
	return "{% set x = 'x' %}" + strings.Repeat("{% set x = x ~ x %}", n)
}

func TestLimits(t *testing.T) {
	for name, template := range map[string]string{
		"steps":    "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
		"output":   large(10) + "{% for a in range(2000) %}{{ x }}{% endfor %}",
		"range":    "{{ range(999999999)|list }}",
		"doubling": large(60),
		"sharing":  "{% set a = [1] %}" + strings.Repeat("{% set a = [a, a] %}", 60) + "{{ a }}",
		"json":     "{% set a = [1] %}" + strings.Repeat("{% set a = [a, a] %}", 60) + "{{ a|tojson }}",
		"equality": "{% set a = [1] %}{% set b = [1] %}" + strings.Repeat("{% set a = [a, a] %}{% set b = [b, b] %}", 60) + "{{ a == b }}",
		"joining":  "{% set a = [1] %}" + strings.Repeat("{% set a = a + a %}", 60),
		"replace":  large(15) + "{{ x|replace('x', x) }}",
		"indent":   large(15) + "{{ x|replace('x', '\n\n')|indent(1000, true, true) }}",
		"wide":     "{{ ''|indent(999999999, true) }}",
		"join":     large(10) + "{{ range(100000)|join(x) }}",
		"sort":     "{{ range(100000)|sort(reverse=true) }}",
		"unique":   "{{ range(100000)|unique }}",
		"look":     large(15) + "{% for a in range(20000) %}{{ 'y' in x }}{% endfor %}",
		"case":     large(15) + "{% for a in range(20000) %}{% set y = x|upper %}{% endfor %}",
		"parens":   "{{ " + strings.Repeat("(", 100000) + "1" + strings.Repeat(")", 100000) + " }}",
		"lists":    "{{ " + strings.Repeat("[", 100000) + "1" + strings.Repeat("]", 100000) + " }}",
		"not":      "{{ " + strings.Repeat("not ", 100000) + "1 }}",
		"minus":    "{{ " + strings.Repeat("- ", 100000) + "1 }}",
		"else":     "{{ " + strings.Repeat("1 if 0 else ", 100000) + "1 }}",
		"blocks":   strings.Repeat("{% if 1 %}", 100000),
		"loops":    strings.Repeat("{% for a in [1, 1] %}", 50) + strings.Repeat("{% endfor %}", 50),
		"size":     strings.Repeat("x", MaxTemplate+1),
		"kept":     large(19) + "{{ [" + strings.Repeat("[x]|join, ", 300) + "]|length }}",
		"texts":    large(19) + "{{ [" + strings.Repeat("(([x])|string)[0], ", 300) + "]|length }}",
		"keptJSON": large(19) + "{{ [" + strings.Repeat("x|tojson, ", 300) + "]|length }}",
		"indents":  large(19) + `{{ [` + strings.Repeat(`"\na"|indent(x), `, 300) + "]|length }}",
		"names":    large(19) + "{{ [" + strings.Repeat("d[x]|string, ", 300) + "]|length }}",
		"keys":     "{% set a = (1, 1) %}" + strings.Repeat("{% set a = (a, a) %}", 60) + "{{ d.get(a) }}",
		"same":     large(19) + "{% set y = x ~ '' %}{% for a in range(100000) %}{{ x == y }}{% endfor %}",
		"order":    large(19) + "{% set y = x ~ '' %}{% for a in range(100000) %}{{ x < y }}{% endfor %}",
	} {
		t.Run(name, func(t *testing.T) {
			start := cputime.Used()
			if _, _, err := Render([]byte(template), variables(t)); !errors.Is(err, ErrLimit) {
				t.Errorf("got %v, want %v", err, ErrLimit)
			}
			if took := cputime.Used() - start; took > cputime.Bound {
				t.Errorf("took %s", took)
			}
		})
	}
}

// What is merely long costs time in proportion and is fine.
func TestLong(t *testing.T) {
	for name, template := range map[string]string{
		"plus":       "{{ 1" + strings.Repeat(" + 1", 100000) + " }}",
		"ands":       "{{ 1" + strings.Repeat(" and 1", 100000) + " }}",
		"filters":    "{{ s" + strings.Repeat("|upper", 100000) + " }}",
		"elifs":      "{% if 0 %}" + strings.Repeat("{% elif 0 %}", 50000) + "{% endif %}",
		"list":       "{{ [" + strings.Repeat("1, ", 100000) + "]|length }}",
		"text":       strings.Repeat("{", MaxTemplate),
		"line ends":  strings.Repeat("\r\n", MaxTemplate/2),
		"statements": strings.Repeat("{{ 1 }}", 100000),
		"literals":   "{{ (" + strings.Repeat("'a' ", 250000) + ")|length }}",
		"truth":      large(19) + "{% for a in range(50000) %}{{ x is defined and 1 }}{% if x %}{% endif %}{% endfor %}",
		"missing":    "{% for i in range(70000) %}{% set y = d[i] ~ 1 %}{% endfor %}",
	} {
		start := cputime.Used()
		if _, _, err := Render([]byte(template), variables(t)); err != nil && name != "text" {
			t.Errorf("%s: %v", name, err)
		}
		if took := cputime.Used() - start; took > cputime.Bound {
			t.Errorf("%s took %s", name, took)
		}
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
