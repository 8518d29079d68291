package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// A drawer draws templates from a grammar over all that boothook's templates
// know. Expressions have types, so that most of them mean something; now and
// then one of another type is drawn, for the errors.
type drawer struct {
	*rand.Rand
	// locals are the names that are set where the drawing stands, by type.
	locals map[kind][]string
	loops  int
	fresh  int
}

// A kind is the type of an expression.
type kind int

const (
	number kind = iota
	text
	list
	mapping
	truth
	missing
	kinds
)

func (d *drawer) one(of ...string) string { return of[d.IntN(len(of))] }

// maybe is true once in n times.
func (d *drawer) maybe(n int) bool { return d.IntN(n) == 0 }

// template draws a whole template.
func (d *drawer) template() string {
	d.locals, d.loops = map[kind][]string{}, 0
	var sb strings.Builder
	for range 1 + d.IntN(3) {
		sb.WriteString(d.node(2))
	}
	return sb.String() + d.one("", "", "\n", "\n\n")
}

// node draws a piece of a template.
func (d *drawer) node(depth int) string {
	switch n := d.IntN(20); {
	case n < 2:
		return d.one("plain ", "a\nb", " { } ", "  ", "\n", "#x\n", "ü")
	case n < 12 || depth == 0:
		return d.open("{{") + " " + d.any(3) + " " + d.close("}}")
	case n < 14:
		s := d.block("if " + d.condition(2))
		s += d.body(depth)
		for d.maybe(3) {
			s += d.block("elif "+d.condition(2)) + d.body(depth)
		}
		if d.maybe(2) {
			s += d.block("else") + d.body(depth)
		}
		return s + d.block("endif")
	case n < 17:
		return d.loop(depth)
	case n < 18:
		k := kind(d.IntN(int(truth)))
		d.fresh++
		name := fmt.Sprintf("x%d", d.fresh)
		s := d.block("set " + name + " = " + d.expr(k, 2))
		d.locals[k] = append(d.locals[k], name)
		return s
	case n < 19:
		return "{#" + d.one("", "-", "+") + d.one(" comment ", "{{ no }}", "\n") + d.one("", "-") + "#}" + d.one("", "\n", " ")
	}
	return "{%" + d.one("", "-") + " raw " + d.one("", "-") + "%}" + d.one("{{ a }}", "\n{% x", " # ") + "{%" + d.one("", "-") + " endraw " + d.one("", "-") + "%}" + d.one("", "\n", " x")
}

func (d *drawer) open(s string) string  { return s + d.one("", "", "", "", "-", "+") }
func (d *drawer) close(s string) string { return d.one("", "", "", "", "", "-") + s }

func (d *drawer) block(words string) string {
	return d.open("{%") + d.one(" ", " ", "") + words + " " + d.one("", "", "", "-", "+") + "%}" + d.one("", "", "\n", " ")
}

// body draws what stands in a block; what is set there may not be set
// elsewhere, since it need not run.
func (d *drawer) body(depth int) string {
	outer := map[kind][]string{}
	for k, names := range d.locals {
		outer[k] = names
	}
	s := d.node(depth - 1)
	if d.maybe(3) {
		s += d.node(depth - 1)
	}
	d.locals = outer
	return s
}

func (d *drawer) loop(depth int) string {
	d.fresh++
	name := fmt.Sprintf("e%d", d.fresh)
	over, target, k := d.expr(list, 2), name, text
	switch d.IntN(5) {
	case 0:
		over, k = "range("+d.one("3", "1, 4", "5, 0, -2", "0")+")", number
	case 1:
		over, target = d.expr(mapping, 1)+d.one(".items()", "|items", "|dictsort"), name+", y"+name
	case 2:
		over = d.one("words", "v1.public_ssh_keys", "text", "public_ssh_keys", "words|sort", "ds.meta_data.tags", "nope", "words|reverse")
	}
	s := "for " + target + " in " + over
	outer := map[kind][]string{}
	for k, names := range d.locals {
		outer[k] = names
	}
	d.locals[k] = append(d.locals[k], name)
	if d.maybe(5) {
		s += " if " + d.condition(1)
	}
	d.loops++
	s = d.block(s) + d.body(depth)
	if d.maybe(3) {
		s += d.one("{{ loop.index }}", "{{ loop.last }}", "{{ loop.revindex0 }}", "{{ loop.length }}", "{{ ', ' if not loop.last }}",
			"{{ loop.previtem }}", "{{ loop.nextitem is defined }}", "{{ loop.first }}{{ loop.index0 }}{{ loop.revindex }}")
	}
	d.loops--
	d.locals = outer
	if d.maybe(4) {
		s += d.block("else") + d.body(depth)
	}
	return s + d.block("endfor")
}

// any draws an expression of any type.
func (d *drawer) any(depth int) string { return d.expr(kind(d.IntN(int(kinds))), depth) }

// condition draws what is asked for its truth.
func (d *drawer) condition(depth int) string {
	if d.maybe(3) {
		return d.any(depth)
	}
	return d.expr(truth, depth)
}

// expr draws an expression of a type.
func (d *drawer) expr(k kind, depth int) string {
	if d.maybe(400) {
		k = kind(d.IntN(int(kinds)))
	}
	if names := d.locals[k]; len(names) > 0 && d.maybe(3) {
		return names[d.IntN(len(names))]
	}
	if depth > 0 && d.maybe(9) {
		if d.maybe(4) {
			return "((" + d.inlineIf(k, depth-1) + ")"
		}
		return "(" + d.inlineIf(k, depth-1)
	}
	if depth > 0 && d.maybe(25) {
		return "(" + d.expr(k, depth-1) + ")|" + d.one("default", "d") + "(" + d.expr(k, 0) + d.one("", "", ", true", ", boolean=true") + ")"
	}
	switch k {
	case number:
		return d.number(depth)
	case text:
		return d.text(depth)
	case list:
		return d.list(depth)
	case mapping:
		return d.one("v1", "ds.meta_data.tags", "{'b': 1, 'a': 2}", "{}", "{'k': "+d.leaf()+"}", "ds['meta_data']", `{"z": [1], 'y': `+d.leaf()+`, "Y": 3,}`, "ds.meta_data.v1_0", "ds.meta_data['v1.0']",
			"{'a': 1, 'a': 2}", "ds.meta_data.disks[0]")
	case truth:
		return d.truth(depth)
	}
	return d.one("nope", "v1.nope", "ds.meta_data.tags.nope", "words[9]", "v1['no-pe']", "numbers[-9]", "text.nope", "count.nope", "(1 if false)", "nothing.x", "words.x", "[]|first", "[]|max")
}

// inlineIf draws "a if b else c)", nested and with and without "else".
func (d *drawer) inlineIf(k kind, depth int) string {
	s := d.expr(k, depth) + " if " + d.condition(depth)
	if !d.maybe(10) {
		other := d.expr(k, depth)
		if d.maybe(3) {
			other = d.expr(k, 0) + " if " + d.condition(0) + " else " + other
		}
		s += " else " + other
	}
	return s + ")"
}

func (d *drawer) leaf() string { return d.expr(kind(d.IntN(int(list)+1)), 0) }

func (d *drawer) number(depth int) string {
	if d.maybe(200) {
		return d.one("big", "1e20", "12345678", "0", "zero", "0.0")
	}
	if depth == 0 {
		return d.one("1", "1", "2", "3", "-1", "7", "2.5", "0.1", "1e3", "1_000", "0x1f", "1.0", "count", "ratio", "ratio", "numbers[0]", "numbers.1", "numbers[-1]",
			"ds.meta_data.disks[1].size", "ds.meta_data.tags.app_names", "true", "-ratio", "+count", "0b11", "0o17", "10", "1234", "1.5e-7")

	}
	a := func() string { return d.expr(number, depth-1) }
	switch d.IntN(12) {
	case 0, 1, 2:
		return a() + d.one(" + ", " - ", " * ", " / ", " // ", " % ", "-", "+") + a()
	case 3:
		return "(" + a() + d.one(" + ", " - ", " * ", " / ", " // ", " % ") + a() + ")"
	case 4:
		return d.one("-", "+", "- ") + "(" + a() + ")"
	case 5:
		return "(" + a() + ")|" + d.one("int", "float", "int(5)", "float(1.5)")
	case 6:
		return "(" + d.expr(text, depth-1) + ")|" + d.one("int", "float", "length", "count", "int(7)", "int(default=3)", "float(default=0.5)")
	case 7:
		return d.expr(list, depth-1) + "|" + d.one("length", "count", "length")
	case 8:
		return d.one("numbers", "[4, 2, 9]", "range(3)", "numbers|unique", "(1, 5)") + "|" + d.one("min", "max", "first", "max", "min", "max", "first", "first", "first", "max", "min", "first", "last|int", "length")
	case 9:
		return d.expr(mapping, 0) + "|length"
	case 10:
		return d.expr(mapping, 0) + ".get('" + d.one("a", "k", "size", "nope") + "', " + a() + ")"
	}
	return d.one("[1, 2, 3]", "numbers", "(7, 8, 9)") + "[" + d.one("0", "1", "-1", a()) + "]"
}

func (d *drawer) text(depth int) string {
	if depth == 0 {
		return d.one("'a'", `"b c"`, "''", "'it\\'s'", `"x\ny"`, "text", "blank", "accents", "lines", "digits", "v1.region", "region", "fraction", "words_text", "quote",
			"ds.meta_data.tags.role", "v1['local_hostname']", "words[1]", "ds.meta_data.local_ipv4", "local_ipv4", `"ü\u00e4\t"`, "'<&>'", "'a' 'b'", "instance_id", `'\d\\'`, "'-3'", "'1_0'", "'ABC def'", "'0x1f'", "'1e3'")
	}
	a := func() string { return d.expr(text, depth-1) }
	paren := func() string { return "(" + a() + ")" }
	switch d.IntN(16) {
	case 0:
		return a() + " ~ (" + d.any(depth-1) + ")"
	case 1:
		return a() + " + " + a()
	case 2, 3:
		return paren() + "|" + d.one("upper", "lower", "capitalize", "trim", "string", "safe", "reverse", "first", "last", "trim('a')", "trim(chars='x ')")
	case 4:
		return paren() + "|replace(" + d.one("'a'", "'o'", "' '", "''") + ", " + d.expr(text, 0) + d.one("", "", ", 1", ", count=2", ", 0") + ")"
	case 5:
		return paren() + "|indent" + d.one("", "(2)", "(2, true)", "(width=1)", "(3, first=true)", "(2, true, true)", "(1, blank=true)", "('> ')")
	case 6:
		return d.expr(list, depth-1) + "|join" + d.one("", "(',')", "(', ')", "("+d.expr(text, 0)+")", "(d='-')")
	case 7:
		return "ds.meta_data.disks|join(" + d.one("','", "' '") + ", attribute='" + d.one("name", "size", "name", "name", "size", "name", "size", "name", "tags.use", "nope") + "')"
	case 8:
		return "(" + d.any(depth-1) + ")|" + d.one("tojson", "string", "tojson", "upper", "lower", "trim")
	case 9, 10:
		return paren() + "." + d.one("upper", "lower", "capitalize", "strip", "lstrip", "rstrip") + "()"
	case 11:
		return paren() + "." + d.one("strip", "lstrip", "rstrip") + "(" + d.one("'a'", "'lo '", "' \\t'") + ")"
	case 12:
		return paren() + ".replace(" + d.one("'a', 'b'", "'l', ''", "'', '-'", "'o', '0', 1") + ")"
	case 13:
		return paren() + "[" + d.one("0", "-1", "1:", ":2", "1:3", "-2:", ":-1", ":", "9:", "5:1", "-9:2") + "]"
	case 14:
		return d.one("','", "''", "' - '") + ".join(" + d.one("words", "v1.public_ssh_keys", "['a', 'b']", "'abc'", "text.split()", "('x', 'y')", "words|map(attribute=0)") + ")"
	}
	return d.one("words", "text.split(', ')", "['q', 'r']", "v1.public_ssh_keys") + d.one("[0]", "|first", "|last", "|min", "|max", "[-1]|upper", ".0")
}

func (d *drawer) list(depth int) string {
	if depth == 0 {
		return d.one("numbers", "words", "empty", "[1, 2, 3]", "['a', 'B']", "[]", "v1.public_ssh_keys", "mixed", "(1, 2)", "()", "(1,)", "[1, 'x', none, true, 2.5]", "ds.meta_data.disks", "[[1], [2, 3]]", "['b', 'a', 'C']")
	}
	a := func() string { return d.expr(list, depth-1) }
	switch d.IntN(14) {
	case 0:
		return d.one("([1] + numbers)", "(words + ['x'])", "((1, 2) + (3,))", "(text.split() + words)", "("+a()+" + "+d.one("[1]", "numbers", "[]")+")")
	case 1:
		return d.one("numbers", "words", "['b', 'a', 'C', 'A']", "[3, 1, 2]", "(2, 1)", "text") + "|sort" + d.one("", "(true)", "(reverse=true)", "(case_sensitive=true)", "(true, true)", "|list", "(reverse=false, case_sensitive=false)")
	case 2:
		return "ds.meta_data.disks|sort(attribute='" + d.one("name", "size", "name", "size", "name", "size,name", "nope") + "')" + d.one("", "|map(attribute='name')|list")
	case 3:
		return d.one("numbers", "words", "[1, 1.0, true]", "['a', 'A']", "'abca'") + "|unique" + d.one("|list", "|list", "|list", "|list", "|list", "|list", "|list", "|list", "", "(true)|list", "(case_sensitive=true)|list")
	case 4:
		return "ds.meta_data.disks|map(attribute='" + d.one("name", "size", "name", "size", "name", "size", "name", "size", "name", "tags.use", "nope") + "'" + d.one("", "", ", default='none'") + ")" + d.one("|list", "|list", "|sort", "|join(',')", "")
	case 5:
		return a() + "|reverse" + d.one("|list", "|list", "|list", "|sort|list", "|list", "|list", "|list", "|list", "|list", "")
	case 6:
		return a() + "|list"
	case 7:
		return "(" + d.expr(text, depth-1) + ").split(" + d.one("", "','", "' '", "',', 1", "none", "'o'", "none, 1", "' ', -1") + ")"
	case 8:
		return d.expr(mapping, 0) + d.one(".keys()", ".values()", ".items()", "|dictsort", "|items", "|list", ".keys()", "|dictsort(true)", "|dictsort(by='value')") + d.one("|list", "|list", "|sort", "")
	case 9:
		return "range(" + d.one("3", "1, 4", "0, 9, 3", "4, 0, -1", "0") + ")" + d.one("|list", "|list", "|list", "|sort|list", "|list", "|list", "|list", "|list", "|list", "")
	case 10:
		return "(" + a() + ")[" + d.one(":1", "1:", ":-1", ":", "-2:", "1:2") + "]"
	case 11:
		return "[" + d.any(depth-1) + ", " + d.any(depth-1) + "]"
	case 12:
		return "(" + d.any(depth-1) + ", " + d.any(depth-1) + d.one("", ",") + ")"
	}
	return "(" + d.expr(text, depth-1) + ")|list"
}

func (d *drawer) truth(depth int) string {
	if depth == 0 {
		return d.one("true", "false", "True", "False", "yes", "no", "none", "nothing", "nope is defined", "v1.region is defined", "1 < 2", "'a' == 'b'", "count > 3", "distro == 'debian'", "nope")
	}
	a := func() string { return d.expr(truth, depth-1) }
	n := func() string { return d.expr(number, depth-1) }
	s := func() string { return d.expr(text, depth-1) }
	compare := func() string { return d.one(" == ", " != ", " < ", " <= ", " > ", " >= ") }
	switch d.IntN(16) {
	case 0, 1:
		return a() + d.one(" and ", " or ") + a()
	case 2:
		return "not " + a()
	case 3:
		return n() + compare() + n()
	case 4: // a chain
		s := n() + compare() + n() + compare() + n()
		if d.maybe(2) {
			s += compare() + n()
		}
		return s
	case 5:
		return s() + compare() + s()
	case 6:
		return d.any(depth-1) + d.one(" == ", " != ") + d.any(depth-1)
	case 7:
		return d.any(depth-1) + d.one(" in ", " not in ") + d.expr(list, depth-1)
	case 8:
		return s() + d.one(" in ", " not in ") + s()
	case 9:
		return s() + d.one(" in ", " not in ") + d.expr(mapping, 0)
	case 10, 11:
		return "((" + d.any(depth-1) + ") is " + d.one("", "not ") + d.one("defined", "undefined", "none", "boolean", "true", "false", "string", "integer", "float", "number", "mapping", "sequence", "iterable") + ")"
	case 12:
		return "(" + n() + ") is " + d.one("", "not ") + d.one("odd", "even", "eq 2", "equalto(2)", "ne 1", "lt 3", "lessthan(3)", "le 2", "gt 1", "greaterthan 1", "ge 7", "in [1, 2]", "in numbers")
	case 13:
		return "(" + s() + ")." + d.one("startswith", "endswith") + "(" + d.one("'a'", "'H'", "''", "v1.region", "'x'", "region") + ")"
	case 14:
		return "(" + a() + ")"
	}
	return n() + " in " + d.expr(list, depth-1) + d.one("", " == true", " != "+n())
}
