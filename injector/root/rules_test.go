package root

import (
	"os/exec"
	"strings"
	"testing"

	"boothook/injector/plan"
)

func sudoRule(name string) plan.Step {
	return plan.Step{Kind: plan.Sudo, Path: "/etc/sudoers.d/users", Account: &plan.Account{Name: name}, Body: []byte("ALL=(ALL) NOPASSWD:ALL\n")}
}

// TestRules: who has no account gets no rule, and sudo takes each name for
// what it is.
func TestRules(t *testing.T) {
	taken := 1
	user := func(a plan.Account) plan.Step { return plan.Step{Kind: plan.User, Account: &a} }
	doas := func(name string) plan.Step {
		return plan.Step{Kind: plan.Doas, Path: "/etc/doas.conf", Account: &plan.Account{Name: name}, Body: []byte("permit nopass " + name + "\n")}
	}
	r := quickRoot(t)
	steps := []plan.Step{
		user(plan.Account{Name: "alice"}), user(plan.Account{Name: "refused", UID: &taken}), user(plan.Account{Name: "Defaults"}),
		user(plan.Account{Name: "ADMINS"}), user(plan.Account{Name: "User_Alias"}), user(plan.Account{Name: "a.b-c$"}),
		sudoRule("refused"), sudoRule("alice"), sudoRule("Defaults"), sudoRule("ADMINS"), sudoRule("User_Alias"), sudoRule("a.b-c$"), sudoRule("nobody-such"),
		doas("refused"), doas("alice"), doas("Defaults"),
	}
	for range 2 {
		res := apply(t, r, steps...)
		for i, s := range steps {
			refused := s.Account.Name == "refused" || s.Account.Name == "nobody-such"
			if skipped := res.Steps[i].Status == Skipped; skipped != refused {
				t.Errorf("%s of %s: %+v", s.Kind, s.Account.Name, res.Steps[i])
			}
		}
		for path, want := range map[string]string{
			"/etc/sudoers.d/users": "-r--r----- 0:0 " + rulesHeader + "alice ALL=(ALL) NOPASSWD:ALL\n#1001 ALL=(ALL) NOPASSWD:ALL\n#1002 ALL=(ALL) NOPASSWD:ALL\n#1003 ALL=(ALL) NOPASSWD:ALL\n#1004 ALL=(ALL) NOPASSWD:ALL\n",
			"/etc/doas.conf":       "-r--r----- 0:0 " + rulesHeader + "permit nopass alice\npermit nopass Defaults\n",
		} {
			if got := owners(listing(t, r.dir))[path]; got != owners(map[string]string{path: want})[path] {
				t.Errorf("%s is\n%s\nwant\n%s", path, got, want)
			}
		}
	}
	if _, err := exec.LookPath("visudo"); err == nil {
		if out, err := exec.Command("visudo", "-c", "-f", r.dir+"/etc/sudoers.d/users").CombinedOutput(); err != nil {
			t.Errorf("visudo: %v\n%s", err, out)
		}
	}
	// What an earlier boot wrote gives way; doas.conf is the root's own.
	apply(t, r, sudoRule("alice"))
	if got := listing(t, r.dir)["/etc/sudoers.d/users"]; strings.Contains(got, "#1001") {
		t.Errorf("rules of before are left: %s", got)
	}
}
