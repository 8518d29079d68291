package cloudconfig

import (
	"runtime"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"boothook/injector/plan"
)

// TestLongPasswords: what no login would take is refused, with all else done,
// and costs no memory.
func TestLongPasswords(t *testing.T) {
	long := strings.Repeat("p", 20000)
	doc := "#cloud-config\npassword: " + long + "\nusers:\n- {name: alice, plain_text_passwd: " + long + "}\n- {name: bob, plain_text_passwd: " +
		strings.Repeat("q", maxPassword) + "}\nchpasswd:\n  list:\n  - carol:" + long + "\n  users:\n  - {name: dave, type: text, password: " + long + "}\n"
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r := runCase(t, txtar.Parse([]byte("-- part-001 --\n"+doc)).Files)
	runtime.ReadMemStats(&after)
	if spent := after.TotalAlloc - before.TotalAlloc; spent > 64<<20 {
		t.Errorf("%d MB were allocated", spent>>20)
	}
	hashes := map[string]string{}
	for _, s := range r.Steps {
		if s.Kind == plan.User || s.Kind == plan.Password {
			hashes[s.Account.Name] = s.Account.Hash
		}
	}
	if _, made := hashes["alice"]; !made || hashes["alice"] != "" || hashes["carol"] != "" || hashes["dave"] != "" {
		t.Errorf("hashes %q", hashes)
	}
	if !strings.HasPrefix(hashes["bob"], "$6$") {
		t.Errorf("bob's password of %d bytes: %q", maxPassword, hashes["bob"])
	}
	refused := 0
	for _, p := range r.Problems {
		if strings.Contains(p.Message, "at most 511") && p.Line > 0 {
			refused++
		}
		if strings.Contains(p.Message, "ppp") {
			t.Errorf("the password is in a message: %.80s", p.Message)
		}
	}
	if refused != 3 { // a password for the default user finds none
		t.Errorf("%d refusals: %v", refused, r.Problems)
	}
}
