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
	files, err := c.accountFiles()
	if err != nil {
		return err
	}
	e, found := files.text.User(s.Account.Name)
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
	if !c.begun[n] {
		file.Body = []byte(rulesHeader)
	} else if file.Body, err = c.tree.text(n); err != nil {
		return err
	} else if file.Append {
		file.Body = nil
	}
	file.Body = bytes.Clone(file.Body)
	for line := range bytes.Lines(s.Body) {
		if s.Kind == plan.Sudo {
			file.Body = append(file.Body, sudoName(e)+" "...)
		}
		file.Body = append(file.Body, line...)
	}
	if err := c.file(i, &file); err != nil {
		return err
	}
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
