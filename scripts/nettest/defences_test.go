package nettest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A defence is a piece of the agent's source, and what it would be without.
type defence struct{ file, old, new string }

// defences are what the rows of TestFaults are held by. They are here so that
// whoever changes the source hears of it at once.
func defences() map[string]defence {
	return map[string]defence{
		"the budget": {"netboot/netboot.go", "context.WithTimeout(ctx, s.Options.Timeout)",
			"context.WithTimeout(ctx, 3*s.Options.Timeout)"},
		"link events": {"netboot/nic/link.go", "case <-changed:",
			"case <-func(chan struct{}) chan struct{} { return nil }(nil):\n\t\t\t_ = changed"},
		"shunning servers": {"netboot/nic/dhcp/client4.go", "c.failed[server] = true",
			"c.failed[server] = false"},
		"asking again": {"netboot/fetch/errors.go", "return se.Code >= 500 || se.Code == 408 || se.Code == 425 || se.Code == 429 ||",
			"return"},
		"starting over": {"netboot/nic/worker.go", "m.logf(l, \"lost its carrier\")\n\t\t\tcontinue",
			"return wanted, assigned, err"},
		"the on-link route": {"netboot/nic/assign.go", "k.Flags = unix.RTNH_F_ONLINK",
			"k.Flags = 0"},
		"hearing the chosen one only": {"netboot/nic/dhcp/client4.go", "&& m.Server() == server",
			"&& server.IsValid()"},
		"the transaction's number": {"netboot/nic/dhcp/client4.go", "m.id != msg.id ||",
			""},
		"gateways that can be one": {"netboot/nic/address.go", "if !isUnicast(a) || a.IsLoopback() || a.WithZone(\"\") == own.Addr() {",
			"if !a.IsValid() {"},
		"all NICs at once": {"netboot/nic/nic.go", "const maxLinks = 64",
			"const maxLinks = 1"},
		"considering new links": {"netboot/nic/events.go", "default:\n\t\t\tm.consider(e.Link)",
			"default:\n\t\t\tm.recheck(e.Index)"},
		"counting the bytes": {"netboot/fetch/http1.go", "return b.Bytes(), true, err",
			"return b.Bytes(), true, nil"},
		"the size limit": {"netboot/fetch/http1.go", "if n > uint64(limit) {",
			"if n > uint64(limit)<<20 {"},
		"counting redirects": {"netboot/fetch/fetch.go", "MaxRedirects = 5",
			"MaxRedirects = 1 << 30"},
		"the time of baking": {"initramfs/extra/extra.go", "NotBefore: notBefore(bakedMark)",
			"NotBefore: time.Time{}"},
		"identifying first": {"netboot/source/ec2.go", `Of: "sys_vendor", Is: "Amazon EC2"`,
			`Of: "sys_vendor", Is: "*"`},
		"giving up early": {"netboot/race.go", "lateLinkTime = 5 * time.Second",
			"lateLinkTime = time.Hour"},
		"the time for late links": {"netboot/race.go", "lateLinkTime = 5 * time.Second",
			"lateLinkTime = time.Second"},
	}
}

// TestDefences: the source is still what the defences say.
func TestDefences(t *testing.T) {
	for name, d := range defences() {
		if _, err := d.removed(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// removed is the text of the file without the defence.
func (d defence) removed() (string, error) {
	text, err := os.ReadFile(filepath.Join("../..", d.file))
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(text), d.old); n != 1 {
		return "", fmt.Errorf("%s has %q %d times, not once", d.file, d.old, n)
	}
	return strings.Replace(string(text), d.old, d.new, 1), nil
}
