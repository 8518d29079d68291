package root

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc64"

	"boothook/injector/plan"
)

// ledgerPath holds the ledger of what was appended to which file.
const ledgerPath = StateDir + "/appended"

// maxLedger is how many appends are remembered; the oldest go first.
const maxLedger = 4096

// A ledger remembers what was appended for which instance. It is how append
// can be done again without adding anything: whether the bytes are in the
// file already does not tell, for they may have been there from the start.
// It is committed together with the files that it is about.
type ledger struct {
	Version int           `json:"version"`
	Entries []ledgerEntry `json:"entries"`
	// used counts how many entries of a kind the current plan has met, as a
	// plan may append the same bytes to a file twice.
	used map[ledgerEntry]int
	// have counts the entries that there were and are.
	have map[ledgerEntry]int
	// ends are where in a file what was looked for last ends.
	ends map[string]int
	node *node
	old  []byte
	// last is the step that added the last entry.
	last int
}

type ledgerEntry struct {
	Path     string `json:"path"`
	Instance string `json:"instance"`
	Size     int    `json:"size"`
	Sum      uint64 `json:"sum"`
}

// checksum guards against tearing and tells contents apart. It is no defence
// against forgery: who can write the state directory owns the root already.
func checksum(body []byte) uint64 { return crc64.Checksum(body, crc64.MakeTable(crc64.ECMA)) }

func (c *composer) readLedger() (*ledger, error) {
	n, err := c.tree.walk(ledgerPath, true)
	if err != nil {
		return nil, err
	}
	l := &ledger{Version: 1, used: map[ledgerEntry]int{}, have: map[ledgerEntry]int{}, ends: map[string]int{}, node: n}
	if l.old, err = c.tree.text(n); err != nil {
		return nil, err
	}
	if len(l.old) == 0 {
		return l, nil
	}
	if err := json.Unmarshal(l.old, l); err != nil || l.Version != 1 {
		c.problems = append(c.problems, (&plan.Step{Path: ledgerPath}).Problem("damaged, so what was appended before may be appended again"))
		l.Version, l.Entries = 1, nil
	}
	for _, e := range l.Entries {
		l.have[e]++
	}
	return l, nil
}

// seen says whether body was appended to path before for this instance, and
// notes it down if not.
func (l *ledger) seen(step int, path, instance string, body []byte) bool {
	e := ledgerEntry{path, instance, len(body), checksum(body)}
	l.used[e]++
	if l.have[e] >= l.used[e] {
		return true
	}
	l.Entries = append(l.Entries, e)
	l.have[e]++
	l.last = step
	return false
}

// finds says whether body is in the text of path. It looks first behind what
// it has found last: what was appended stands there in order.
func (l *ledger) finds(path string, text, body []byte) bool {
	from := min(l.ends[path], len(text))
	if i := bytes.Index(text[from:], body); i >= 0 {
		l.ends[path] = from + i + len(body)
		return true
	}
	return bytes.Contains(text[:from], body)
}

// saveLedger makes the ledger a file of the tree, if it has changed.
func (c *composer) saveLedger() error {
	l := c.ledger
	if l == nil {
		return nil
	}
	if len(l.Entries) > maxLedger {
		l.Entries = l.Entries[len(l.Entries)-maxLedger:]
	}
	text, err := json.MarshalIndent(l, "", "\t")
	if err != nil {
		return fmt.Errorf("ledger of appends: %w", err)
	}
	if text = append(text, '\n'); bytes.Equal(text, l.old) {
		return nil
	}
	if err := c.usable(l.node); err != nil {
		return fmt.Errorf("%s: %w", ledgerPath, err)
	}
	c.set(l.last, l.node, state{kind: regular, mode: 0o600, body: text}, "", "")
	return nil
}
