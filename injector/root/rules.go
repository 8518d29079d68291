package root

import (
	"bytes"
	"fmt"
	"strconv"

	"boothook/injector/accounts"
	"boothook/injector/plan"
)

const (
	rulesHeader = "# Written by boothook from cloud-config.\n"
	rulesMode   = 0o440
)

// rules writes what an account may do as somebody else. Nobody gets a rule who
// has no account: whoever were given the name later would have it.
func (c *composer) rules(i int, s *plan.Step) error {
	book, err := c.accounts()
	if err != nil {
		return err
	}
	e, found := book.User(s.Account.Name)
	if !found {
		return fmt.Errorf("the rules of %s are not written: %w", s.Account.Name, accounts.ErrUnknown)
	}
	n, err := c.tree.walk(s.Path, true)
	if err != nil {
		return err
	}
	file := *s
	file.Kind, file.Mode, file.Append = plan.File, rulesMode, s.Kind == plan.Doas
	if file.Append && n.want.kind == regular {
		file.Mode = 0 // as it is
	}
	var rules []byte
	if !c.begun[n] {
		rules = []byte(rulesHeader)
	}
	for line := range bytes.Lines(s.Body) {
		if s.Kind == plan.Sudo {
			rules = append(rules, sudoName(e)+" "...)
		}
		rules = append(rules, line...)
	}
	file.Body = rules
	more := c.begun[n] && !file.Append
	if more {
		text, err := c.tree.text(n)
		if err != nil {
			return err
		}
		file.Body = n.grown(text, rules)
	}
	if err := c.file(i, &file); err != nil {
		return err
	}
	n.grows = n.grows || more
	if c.begun == nil {
		c.begun = map[*node]bool{}
	}
	c.begun[n] = true
	return nil
}

// sudoName is how sudoers(5) names an account. A name that it could take for
// one of its own words (Defaults, User_Alias) or for an alias (all capitals)
// is given as the account's number.
func sudoName(e plan.PasswdEntry) string {
	for _, c := range []byte(e.Name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' && c != '.' {
			return "#" + strconv.Itoa(e.UID)
		}
	}
	return e.Name
}
