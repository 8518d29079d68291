package accounts

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boothook/injector/plan"
)

const today = 20000

func sample() Files {
	return Files{
		Passwd:  []byte("root:x:0:0:root:/root:/bin/bash\n# a comment\nodd line\nbob:x:1000:1000:Bob,,,:/home/bob:/bin/zsh\n+::::::\n"),
		Shadow:  []byte("root:*:19000:0:99999:7:::\nbob:$6$old:19000:0:99999:7:::reserved\n"),
		Group:   []byte("root:x:0:\nsudo:x:27:bob\nbob:x:1000:\nusers:x:100:\n"),
		GShadow: []byte("root:*::\nsudo:*:admin:bob\nbob:!::\nusers:*::\n"),
		SubUID:  []byte("bob:100000:65536\n"),
		SubGID:  []byte("bob:100000:65536\n"),
	}
}

func id(n int) *int { return &n }

// edits are the lines by which after differs from before.
func edits(before, after Files) map[string][]string {
	m := map[string][]string{}
	for _, f := range []struct {
		name     string
		old, new []byte
	}{{"passwd", before.Passwd, after.Passwd}, {"shadow", before.Shadow, after.Shadow}, {"group", before.Group, after.Group},
		{"gshadow", before.GShadow, after.GShadow}, {"subuid", before.SubUID, after.SubUID}, {"subgid", before.SubGID, after.SubGID}} {
		old, new := parse(f.old), parse(f.new)
		for _, line := range old {
			if !contains(new, line) {
				m[f.name] = append(m[f.name], "- "+line)
			}
		}
		for _, line := range new {
			if !contains(old, line) {
				m[f.name] = append(m[f.name], "+ "+line)
			}
		}
	}
	return m
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func TestAddUser(t *testing.T) {
	policy := ParsePolicy(nil, nil)
	for _, c := range []struct {
		name    string
		account plan.Account
		want    map[string][]string
		err     error
	}{
		{"new", plan.Account{Name: "alice", Gecos: "Alice", Shell: "/bin/bash", Groups: []string{"sudo", "docker"}, Hash: "$6$new"}, map[string][]string{
			"passwd":  {"+ alice:x:1001:1001:Alice:/home/alice:/bin/bash"},
			"shadow":  {"+ alice:$6$new:20000:0:99999:7:::"},
			"group":   {"- sudo:x:27:bob", "+ sudo:x:27:bob,alice", "+ alice:x:1001:", "+ docker:x:1002:alice"},
			"gshadow": {"- sudo:*:admin:bob", "+ sudo:*:admin:bob,alice", "+ alice:!::", "+ docker:!::alice"},
			"subuid":  {"+ alice:165536:65536"}, "subgid": {"+ alice:165536:65536"},
		}, nil},
		{"system", plan.Account{Name: "svc", System: true}, map[string][]string{
			"passwd": {"+ svc:x:999:999::/home/svc:/bin/sh"}, "shadow": {"+ svc:!:20000:0:99999:7:::"},
			"group": {"+ svc:x:999:"}, "gshadow": {"+ svc:!::"}}, nil},
		{"primary group and id", plan.Account{Name: "eve", UID: id(2000), PrimaryGroup: "users", Lock: true, Hash: "$6$x", Expire: true}, map[string][]string{
			"passwd": {"+ eve:x:2000:100::/home/eve:/bin/sh"}, "shadow": {"+ eve:!$6$x:0:0:99999:7:::"},
			"subuid": {"+ eve:165536:65536"}, "subgid": {"+ eve:165536:65536"}}, nil},
		{"one with an end", plan.Account{Name: "eve", System: true, PrimaryGroup: "users", ExpireDay: "22889", Inactive: "5"}, map[string][]string{
			"passwd": {"+ eve:x:999:100::/home/eve:/bin/sh"}, "shadow": {"+ eve:!:20000:0:99999:7:5:22889:"}}, nil},
		{"colon in an end", plan.Account{Name: "eve", ExpireDay: "1::"}, nil, ErrInvalid},
		{"there already", plan.Account{Name: "bob", Shell: "/bin/sh", UID: id(7), Groups: []string{"sudo"}}, map[string][]string{}, nil},
		{"there already, locked", plan.Account{Name: "bob", Lock: true}, map[string][]string{
			"shadow": {"- bob:$6$old:19000:0:99999:7:::reserved", "+ bob:!$6$old:20000:0:99999:7:::reserved"}}, nil},
		{"id taken", plan.Account{Name: "eve", UID: id(0)}, nil, ErrTaken},
		{"id negative", plan.Account{Name: "eve", UID: id(-1)}, nil, ErrInvalid},
		{"unknown numeric group", plan.Account{Name: "eve", PrimaryGroup: "4242"}, nil, ErrUnknown},
		{"name with a colon", plan.Account{Name: "eve:0"}, nil, ErrInvalid},
		{"name with a slash", plan.Account{Name: "../eve"}, nil, ErrInvalid},
		{"name of an option", plan.Account{Name: "-x"}, nil, ErrInvalid},
		{"name too long", plan.Account{Name: strings.Repeat("a", 33)}, nil, ErrInvalid},
		{"line break in gecos", plan.Account{Name: "eve", Gecos: "x\nroot2::0:0::/:/bin/sh"}, nil, ErrInvalid},
		{"colon in hash", plan.Account{Name: "eve", Hash: "a:b"}, nil, ErrInvalid},
		{"relative home", plan.Account{Name: "eve", Home: "home"}, nil, ErrInvalid},
		{"bad group", plan.Account{Name: "eve", Groups: []string{"a,b"}}, nil, ErrInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := sample()
			_, _, err := f.AddUser(c.account, policy, today)
			if !errors.Is(err, c.err) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			if err != nil {
				c.want = map[string][]string{} // a failure changes nothing
			}
			if diff := cmp.Diff(c.want, edits(sample(), f)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			once := f
			if _, _, err := f.AddUser(c.account, policy, today+1); err == nil {
				if diff := cmp.Diff(map[string][]string{}, edits(once, f)); diff != "" {
					t.Errorf("the second time changed:\n%s", diff)
				}
			}
		})
	}
}

// TestKeepsWhatItDoesNotKnow: comments, odd lines and the order stay, and
// nothing comes after the lines of NIS.
func TestKeepsWhatItDoesNotKnow(t *testing.T) {
	f := sample()
	if _, _, err := f.AddUser(plan.Account{Name: "alice"}, ParsePolicy(nil, nil), today); err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(string(sample().Passwd), "+:", "alice:x:1001:1001::/home/alice:/bin/sh\n+:", 1)
	if string(f.Passwd) != want {
		t.Errorf("passwd is\n%s\nwant\n%s", f.Passwd, want)
	}
}

func TestSetPassword(t *testing.T) {
	policy := ParsePolicy(nil, nil)
	f := Files{Passwd: []byte("a::1:1::/:/bin/sh\nb:*:2:2::/:/bin/sh\n"), Shadow: []byte("b:*:1::::::\n")}
	for _, a := range []plan.Account{{Name: "a", Hash: "$6$a"}, {Name: "b", Hash: "$6$b"}} {
		if err := f.SetPassword(a, policy, today); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := string(f.Passwd), "a:x:1:1::/:/bin/sh\nb:x:2:2::/:/bin/sh\n"; got != want {
		t.Errorf("passwd %q, want %q", got, want)
	}
	if got, want := string(f.Shadow), "b:$6$b:20000::::::\na:$6$a:20000:0:99999:7:::\n"; got != want {
		t.Errorf("shadow %q, want %q", got, want)
	}
	plain := Files{Passwd: []byte("a::1:1::/:/bin/sh\n")}
	if err := plain.SetPassword(plan.Account{Name: "a", Hash: "$6$a"}, policy, today); err != nil {
		t.Fatal(err)
	}
	if got, want := string(plain.Passwd), "a:$6$a:1:1::/:/bin/sh\n"; got != want {
		t.Errorf("passwd without shadow %q, want %q", got, want)
	}
	if err := f.SetPassword(plan.Account{Name: "zoe", Hash: "x"}, policy, today); !errors.Is(err, ErrUnknown) {
		t.Errorf("unknown account: %v", err)
	}
}

func TestParsePolicy(t *testing.T) {
	p := ParsePolicy([]byte("# c\nUID_MIN  5000\nUID_MAX\t5001\nHOME_MODE 0700\nUMASK 027\nUSERGROUPS_ENAB no\nPASS_MAX_DAYS 90\nGID_MIN junk\n"),
		[]byte("SHELL=/bin/zsh\n# HOME=/x\nHOME=\"/users\"\n"))
	f := sample()
	for range 2 {
		name := []string{"x", "y"}[len(Users(f.Passwd))-2]
		if _, _, err := f.AddUser(plan.Account{Name: name}, p, today); err != nil {
			t.Fatal(err)
		}
	}
	if want := "x:x:5000:100::/users/x:/bin/zsh\ny:x:5001:100::/users/y:/bin/zsh\n+"; !strings.Contains(string(f.Passwd), want) {
		t.Errorf("passwd\n%s", f.Passwd)
	}
	if p.HomeMode != 0o700 || p.GID.Min != 1000 || p.PassMax != "90" || ParsePolicy([]byte("UMASK 027\n"), nil).HomeMode != 0o750 {
		t.Errorf("policy %+v", p)
	}
	if _, _, err := f.AddUser(plan.Account{Name: "z"}, p, today); !errors.Is(err, ErrNoID) {
		t.Errorf("full range: %v", err)
	}
}

func TestAddKeys(t *testing.T) {
	for _, c := range []struct{ text, keys, want string }{
		{"", "a\nb\n", "a\nb\n"},
		{"a", "a\n", "a"},
		{"# mine\na\n", "\n b \na\nb\n", "# mine\na\nb\n"},
	} {
		if got := string(AddKeys([]byte(c.text), []byte(c.keys))); got != c.want {
			t.Errorf("AddKeys(%q, %q) = %q, want %q", c.text, c.keys, got, c.want)
		}
	}
}

// FuzzAddUser: whatever the files hold, an account is added as one line,
// every other line stays, and doing it again changes nothing.
func FuzzAddUser(f *testing.F) {
	s := sample()
	f.Add("alice", "Alice", string(s.Passwd), string(s.Group))
	f.Add("b", "", "", "")
	f.Add("x", "", "x\n:::\n", "x:\nusers:x:notanumber:\n")
	f.Fuzz(func(t *testing.T, name, gecos, passwd, group string) {
		files := Files{Passwd: []byte(passwd), Group: []byte(group)}
		before := parse(files.Passwd)
		_, fresh, err := files.AddUser(plan.Account{Name: name, Gecos: gecos, Groups: []string{"wheel"}}, ParsePolicy(nil, nil), today)
		if err != nil {
			return
		}
		after := parse(files.Passwd)
		if want := len(before); fresh && len(after) != want+1 || !fresh && len(after) != want {
			t.Fatalf("%d lines became %d (fresh: %v)", len(before), len(after), fresh)
		}
		for _, line := range before {
			if !contains(after, line) {
				t.Fatalf("line %q is gone", line)
			}
		}
		if _, found := files.User(name); !found {
			t.Fatalf("%q was not added", name)
		}
		again := files
		if _, fresh, err := again.AddUser(plan.Account{Name: name, Groups: []string{"wheel"}}, ParsePolicy(nil, nil), today); err != nil || fresh {
			t.Fatalf("again: %v, fresh %v", err, fresh)
		}
		if diff := cmp.Diff(map[string][]string{}, edits(files, again)); diff != "" {
			t.Fatalf("again:\n%s", diff)
		}
	})
}
