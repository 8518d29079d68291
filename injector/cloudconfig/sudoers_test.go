package cloudconfig

import (
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var ruleRounds = flag.Int("rules", 200, "how many rules to show to visudo and doas")

func TestSudoRules(t *testing.T) {
	for _, rule := range []string{
		"ALL=(ALL) ALL", "ALL=(ALL) NOPASSWD:ALL", "ALL=(ALL:ALL) ALL", "ALL = (root) NOPASSWD: /bin/ls, PASSWD: /bin/kill -9 *, /usr/bin/",
		"web1, 10.0.0.0/8 = NOPASSWD:SETENV: sudoedit /etc/motd", "ALL=(:adm) /bin/ls", "ALL=() /bin/ls", "ALL=!/bin/sh", "ALL=ALL, !SHELLS",
		`ALL=/bin/echo a\,b\:c\\ d=e (f)`, "ALL=(ALL) ALL # all of it", "ALL=/bin/ls:web1=/bin/kill", "ALL=(ALL) CWD=/srv TIMEOUT=5m NOPASSWD: ALL",
		"ALL=(%adm) ALL", `ALL=/bin/ls ""`,
	} {
		if err := checkSudoRule(rule); err != nil {
			t.Errorf("%q is refused: %v", rule, err)
		}
	}
	for _, rule := range []string{
		"", "ALL", "ALL=", "ALL=(ALL", "ALL=(ALL) ", "=ALL", "ALL=(ALL) NOPASWD:ALL", "ALL=(ALL) ALL ALL", "ALL=(ALL) ls",
		"ALL=(ALL) ALL,", "ALL=(ALL) ALL\nevil ALL=(ALL) ALL", `ALL=(ALL) ALL\`, "ALL=(a b) ALL", "ALL=ALL:", "a b=ALL", "ALL=(ALL) ALL;", "ALL ALL=ALL",
		`ALL="x`, "ALL=/", "# nothing", "ALL=ALL #5", "ALL=!!ALL", "CWD=/bin/ls",
	} {
		if checkSudoRule(rule) == nil {
			t.Errorf("%q is accepted", rule)
		}
	}
}

func TestDoasRules(t *testing.T) {
	for _, rule := range []string{"permit bob", "permit nopass keepenv bob", "permit setenv { A=1 B -C } bob as root cmd reboot", "deny bob cmd su args -l root",
		"permit persist bob cmd ls args", "permit bob # him"} {
		if err := checkDoasRule(rule, "bob"); err != nil {
			t.Errorf("%q is refused: %v", rule, err)
		}
	}
	for _, rule := range []string{"", "bob", "permit", "permit nopass", "permit alice", "deny nopass bob", "permit bob as", "permit bob cmd", "permit bob as root as root",
		"permit setenv A bob", "permit setenv { bob", "permit bob bob", "permit bob\npermit eve", `permit bob cmd "ls`, "permit bob args x", "permit bob cmd args", "permit {} bob"} {
		if checkDoasRule(rule, "bob") == nil {
			t.Errorf("%q is accepted", rule)
		}
	}
}

// TestRulesAsTheyAreRead draws rules, most of them nearly right, and has the
// real programs read what is accepted: nothing that they refuse may be.
func TestRulesAsTheyAreRead(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	file := filepath.Join(t.TempDir(), "rules")
	for _, c := range []struct {
		name, prefix string
		command      []string
		words        string
		check        func(string) error
	}{
		{"sudo", "alice ", []string{"visudo", "-q", "-c", "-f"},
			"ALL ALL = = ( ) , : ! # | web1 10.0.0.0/8 + % root adm #5 NOPASSWD: PASSWD: SETENV: EXEC: CWD=/srv TIMEOUT=5m ROLE=r /bin/ls /usr/bin/ /bin/kill -9 * sudoedit /etc/motd SHELLS -x=y a\\,b \\ \" ls ALL=(ALL) ALL= (root)",
			checkSudoRule},
		{"doas", "", []string{"doas", "-C"},
			"permit permit deny nopass persist keepenv nolog setenv { } A=1 -B alice alice alice root as as cmd cmd args ls /bin/ls -l # ' { A } =", func(rule string) error { return checkDoasRule(rule, "alice") }},
	} {
		if _, err := exec.LookPath(c.command[0]); err != nil {
			t.Logf("without %s", c.command[0])
			continue
		}
		words := strings.Fields(c.words)
		accepted, narrower := 0, 0
		for range *ruleRounds {
			var rule string
			switch c.name {
			case "sudo":
				rule = "ALL=(ALL) "
			default:
				rule = "permit "
			}
			if rng.IntN(3) == 0 {
				rule = ""
			}
			for range 1 + rng.IntN(6) {
				rule += words[rng.IntN(len(words))] + [...]string{" ", " ", "", "  "}[rng.IntN(4)]
			}
			rule = strings.TrimSpace(rule)
			if err := os.WriteFile(file, []byte(c.prefix+rule+"\n"), 0o440); err != nil {
				t.Fatal(err)
			}
			os.Chmod(file, 0o440)
			out, err := exec.Command(c.command[0], append(c.command[1:], file)...).CombinedOutput()
			switch ours := c.check(rule); {
			case ours == nil && err != nil:
				t.Errorf("%s: %q is accepted, and would make the file void: %v\n%s", c.name, rule, err, out)
			case ours == nil:
				accepted++
			case err == nil:
				narrower++
				if testing.Verbose() {
					t.Logf("%s: only they take %q", c.name, rule)
				}
			}
			os.Remove(file)
		}
		t.Logf("%s: of %d rules %d are accepted, %d are refused that %s would take", c.name, *ruleRounds, accepted, narrower, c.command[0])
		if accepted == 0 {
			t.Errorf("%s: not one of the rules drawn is accepted", c.name)
		}
	}
}
