package cloudconfig

import (
	"errors"
	"fmt"
	"strings"
)

// errRule says that a rule is not in the grammar of its file.
var errRule = errors.New("not in the grammar of the file")

// A ruleReader reads one rule. The grammar is that of sudoers(5) of sudo
// 1.9.13, or a little narrower: what it takes, visudo(8) takes, too.
type ruleReader struct {
	rest string
	bad  bool
}

// checkSudoRule says what is wrong with a rule of sudoers(5) without the names
// of its users: "Hosts = [(Users[:Groups])] [Options] [Tags] Commands".
func checkSudoRule(rule string) error {
	if strings.ContainsAny(rule, "\n\r\x00") || strings.HasSuffix(rule, `\`) {
		return fmt.Errorf("%w: it must be one line", errRule)
	}
	r := ruleReader{rest: rule}
	for more := true; more; more = r.take(":") {
		r.list(" \t,:=!()#\"\\")
		r.want("=")
		for next := true; next; next = r.take(",") {
			r.command()
		}
	}
	if r.blanks(); r.bad || r.rest != "" && !r.comment() {
		at := len(rule) - len(r.rest)
		return fmt.Errorf("%w at its byte %d: sudoers(5) wants \"HOSTS=(USERS) COMMANDS\"", errRule, at+1)
	}
	return nil
}

// comment says whether a comment comes next: "#5" is a user's number.
func (r *ruleReader) comment() bool {
	after, ok := strings.CutPrefix(r.rest, "#")
	return ok && strings.TrimLeft(after, "-0123456789") == after
}

func (r *ruleReader) blanks() { r.rest = strings.TrimLeft(r.rest, " \t") }

// take reads token, if it comes next.
func (r *ruleReader) take(token string) bool {
	r.blanks()
	rest, ok := strings.CutPrefix(r.rest, token)
	r.rest = rest
	return ok && !r.bad
}

func (r *ruleReader) want(token string) { r.bad = !r.take(token) || r.bad }

// word reads up to one of the letters in ends; a backslash takes the meaning
// from the letter after it.
func (r *ruleReader) word(ends string) string {
	r.blanks()
	i := 0
	for i < len(r.rest) && !strings.Contains(ends, r.rest[i:i+1]) {
		i++
	}
	word := r.rest[:i]
	r.rest = r.rest[i:]
	return word
}

// list reads words with commas between them, each perhaps negated.
func (r *ruleReader) list(ends string) {
	for more := true; more && !r.bad; more = r.take(",") {
		r.take("!")
		word := r.word(ends)
		r.bad = word == "" || strings.Trim(word, "+%-") == "" || word[0] == '/' || strings.Contains(sudoOptions+"sudoedit list ", " "+word+" ")
	}
}

const (
	sudoOptions = " ROLE TYPE PRIVS LIMITPRIVS APPARMOR_PROFILE NOTBEFORE NOTAFTER TIMEOUT CWD CHROOT "
	sudoTags    = " EXEC NOEXEC FOLLOW NOFOLLOW LOG_INPUT NOLOG_INPUT LOG_OUTPUT NOLOG_OUTPUT MAIL NOMAIL PASSWD NOPASSWD SETENV NOSETENV "
)

// command reads "[(Users[:Groups])] [Options] [Tags] Command [arguments]".
func (r *ruleReader) command() {
	if r.take("(") {
		const ends = " \t,:=!()\"\\"
		r.blanks()
		if !strings.HasPrefix(r.rest, ":") && !strings.HasPrefix(r.rest, ")") {
			r.list(ends)
		}
		if r.take(":") {
			r.list(ends)
		}
		r.want(")")
	}
	for tagged := false; !r.bad; {
		before := r.rest
		name := r.word(" \t,:=!()#\"\\/")
		switch {
		case name == "" || !strings.HasPrefix(r.rest, "=") && !r.colon():
			r.rest = before
			r.program()
			return
		case strings.HasPrefix(r.rest, "="):
			r.want("=")
			r.bad = tagged || !isSudoOption(name, r.word(" \t,:=!()#\"\\"))
		default:
			r.want(":")
			tagged = true
			r.bad = !strings.Contains(sudoTags, " "+name+" ")
		}
	}
}

// isSudoOption says whether an option may have that value. Of dates and times
// only the plainest are known here.
func isSudoOption(name, value string) bool {
	switch name {
	case "TIMEOUT":
		if value != "" && strings.Contains("smhd", value[len(value)-1:]) {
			value = value[:len(value)-1]
		}
		return value != "" && len(value) < 5 && strings.Trim(value, "0123456789") == ""
	case "NOTBEFORE", "NOTAFTER":
		return len(value) == len("20320901120000Z") && strings.Trim(value[:14], "0123456789") == "" && value[14] == 'Z'
	case "CWD", "CHROOT":
		return value == "*" || strings.HasPrefix(value, "/") || strings.HasPrefix(value, "~")
	}
	return value != "" && strings.Contains(sudoOptions, " "+name+" ")
}

// colon says whether a colon comes next that ends a tag.
func (r *ruleReader) colon() bool {
	r.blanks()
	return strings.HasPrefix(r.rest, ":")
}

// program reads a command with its arguments.
func (r *ruleReader) program() {
	r.take("!")
	r.blanks()
	switch word := r.escaped(" \t,:=#()\"!"); {
	case word == "ALL" || isAlias(word):
	case strings.HasSuffix(word, "/sudoedit") || r.rest != "" && !strings.Contains(" \t,:#", r.rest[:1]):
		r.bad = true
	case word == "sudoedit" || strings.HasPrefix(word, "/") && word != "/":
		if !strings.HasSuffix(word, "/") { // a directory has no arguments
			for r.blanks(); ; r.blanks() {
				word := r.escaped(" \t,:=#")
				if word == "" {
					break
				}
				if strings.HasPrefix(r.rest, "=") && !strings.Contains(word, `\`) { // within a word it is nothing special
					r.rest = "-" + r.rest[1:]
				}
			}
		}
	default:
		r.bad = true
	}
}

// escaped is word, where a backslash takes their meaning from the letters that
// sudoers(5) gives one, and stays what it is before others.
func (r *ruleReader) escaped(ends string) string {
	i := 0
	for i < len(r.rest) && !strings.Contains(ends, r.rest[i:i+1]) {
		if r.rest[i] == '\\' {
			if i++; i == len(r.rest) || !strings.Contains(":\\,= \t#*?[]!^", r.rest[i:i+1]) {
				r.bad = true
				break
			}
		}
		i++
	}
	word := r.rest[:i]
	r.rest = r.rest[i:]
	return word
}

func isAlias(word string) bool {
	for i, c := range []byte(word) {
		if (c < 'A' || c > 'Z') && (i == 0 || (c < '0' || c > '9') && c != '_') {
			return false
		}
	}
	return word != ""
}

// checkDoasRule says what is wrong with a rule of doas.conf(5), which has to
// be about the account user.
func checkDoasRule(rule, user string) error {
	words, err := doasWords(rule)
	if err != nil {
		return err
	}
	bad := fmt.Errorf("%w: doas.conf(5) wants \"permit [OPTIONS] %s [as USER] [cmd COMMAND]\"", errRule, user)
	next := func() string {
		if len(words) == 0 {
			return ""
		}
		w := words[0]
		words = words[1:]
		return w
	}
	action, word := next(), next()
	if strings.Contains(rule, "nopass") && strings.Contains(rule, "persist") {
		return bad
	}
	if action != "permit" && action != "deny" {
		return bad
	}
	for ; action == "permit"; word = next() {
		if word == "setenv" {
			if next() != "{" {
				return bad
			}
			for word != "}" {
				if word = next(); word == "" || word == "{" {
					return bad
				}
			}
		} else if word != "nopass" && word != "nolog" && word != "persist" && word != "keepenv" {
			break
		}
	}
	if word != user {
		return bad
	}
	word = next()
	if word == "as" {
		if w := next(); w == "" || isDoasWord(w) {
			return bad
		}
		word = next()
	}
	if word == "cmd" {
		if w := next(); w == "" || isDoasWord(w) {
			return bad
		}
		if word = next(); word == "args" {
			for word != "" {
				if word = next(); isDoasWord(word) {
					return bad
				}
			}
		}
	}
	if word != "" {
		return bad
	}
	return nil
}

// isDoasWord says whether doas.conf(5) has the word for itself.
func isDoasWord(w string) bool {
	return strings.Contains(" permit deny nopass nolog persist keepenv setenv as cmd args { } ", " "+w+" ")
}

// doasWords splits a rule. Quotes and backslashes are refused: each doas has
// its own idea of them, and no rule needs one.
func doasWords(rule string) ([]string, error) {
	if strings.ContainsAny(rule, "\n\r\x00\"'\\") {
		return nil, fmt.Errorf("%w: it must be one line, without quotes and backslashes", errRule)
	}
	rule, _, _ = strings.Cut(rule, "#")
	rule = strings.NewReplacer("{", " { ", "}", " } ").Replace(rule)
	return strings.Fields(rule), nil
}
