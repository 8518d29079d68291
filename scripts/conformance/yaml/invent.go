package main

import (
	"math/rand/v2"
	"strings"
)

// pieces are what documents are put together of: all that has a meaning in
// YAML somewhere, and a little of what has none.
var pieces = strings.Split("a|b: |c:|: |:|- |-|\n- |\n  - |\n|\n |\n  |\n   |\n\n|  | |[|]|{|}|, |,|? |?|\n? |\n: |"+
	"'|''|\"|\"x y\"|'it'|\\n|\\|\\u00e9|\\x41|\\ud83d\\ude00|\\\n|#|# c|\n# c\n|&a |&b |*a|*b |*a : |"+
	"!|! |!!str |!!int |!!seq |!!set |!!binary |!x |!<tag:yaml.org,2002:int> |!e!x |%|%YAML 1.1\n|%TAG !e! tag:e,1:\n|%X y\n|"+
	"---\n|--- |---|...\n|...|>|>-\n|>+\n|>2\n|\t|\r\n|\r|\u0085|\u2028|\u2029|\ufeff|\u00a0|é|😀|\x7f|\u0001|@|`|"+
	"yes|~|null|0644|0o644|1:30|1e3|1.5|2001-12-14|=|<<: |<<: *a|key: value\n|k: [a, b]\n|x: {y: z}\n|long text|a#b|a #b|"+
	"a:b|http://x/?y", "|")

// blocks are pieces that have the separator of pieces in them.
var blocks = []string{"|", "|\n", "|-\n", "|+\n", "|2\n", "k: |\n  x\n\n  y\n", "|1-\n", "> # c\n"}

// number makes what may be a number or a date, or nearly one.
func number(chance *rand.Rand) string {
	parts := []string{"0", "1", "59", "60", "2001", "12", "07", "8", "_", "-", "+", ".", ":", "e", "e+", "E-3", "x", "b", "o", "T", " ", "Z", "f", "inf", "nan", "99999999999999999999"}
	var s strings.Builder
	if chance.IntN(3) == 0 { // a date, and more often than not no time of it
		for _, part := range strings.Split("2001 -1 -3 1 T 2 :5 9 :0 0 .5 Z", " ") {
			if chance.IntN(12) > 0 {
				s.WriteString(part)
			}
			if chance.IntN(12) == 0 {
				s.WriteString(parts[chance.IntN(len(parts))])
			}
		}
		return s.String()
	}
	for range 1 + chance.IntN(9) {
		s.WriteString(parts[chance.IntN(len(parts))])
	}
	return s.String()
}

// invent makes a document out of pieces or of numbers, or changes a collected
// one.
func invent(chance *rand.Rand, collected []string) string {
	var s strings.Builder
	piece := func() string {
		if i := chance.IntN(len(pieces) + len(blocks)); i < len(pieces) {
			return pieces[i]
		} else {
			return blocks[i-len(pieces)]
		}
	}
	switch chance.IntN(5) {
	case 0:
		return "- " + number(chance) + "\n- " + number(chance) + "\n"
	case 1, 2:
		for range 1 + chance.IntN(12) {
			s.WriteString(piece())
		}
		return s.String()
	}
	text := []rune(collected[chance.IntN(len(collected))])
	for range 1 + chance.IntN(3) {
		i := chance.IntN(len(text) + 1)
		j := min(len(text), i+chance.IntN(4))
		text = append(text[:i:i], append([]rune(piece()), text[j:]...)...)
	}
	return string(text)
}
