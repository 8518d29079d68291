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
			_, _, err := f.book().AddUser(c.account, policy, today)
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
			if _, _, err := f.book().AddUser(c.account, policy, today+1); err == nil {
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
	if _, _, err := f.book().AddUser(plan.Account{Name: "alice"}, ParsePolicy(nil, nil), today); err != nil {
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
		if err := f.book().SetPassword(a, policy, today); err != nil {
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
	if err := plain.book().SetPassword(plan.Account{Name: "a", Hash: "$6$a"}, policy, today); err != nil {
		t.Fatal(err)
	}
	if got, want := string(plain.Passwd), "a:$6$a:1:1::/:/bin/sh\n"; got != want {
		t.Errorf("passwd without shadow %q, want %q", got, want)
	}
	if err := f.book().SetPassword(plan.Account{Name: "zoe", Hash: "x"}, policy, today); !errors.Is(err, ErrUnknown) {
		t.Errorf("unknown account: %v", err)
	}
}

// TestUnsetClock: on a machine whose clock was never set nobody has to change
// the password at once, unless that is asked for.
func TestUnsetClock(t *testing.T) {
	for _, day := range []int{0, -1} {
		f := Files{Passwd: []byte("b:x:2:2::/:/bin/sh\nc:x:3:3::/:/bin/sh\n"), Shadow: []byte("b:*:1::::::\n")}
		policy := ParsePolicy(nil, nil)
		if _, _, err := f.book().AddUser(plan.Account{Name: "alice", Hash: "$6$a"}, policy, day); err != nil {
			t.Fatal(err)
		}
		for _, a := range []plan.Account{{Name: "b", Hash: "$6$b"}, {Name: "c", Lock: true}} {
			if err := f.book().SetPassword(a, policy, day); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := string(f.Shadow), "b:$6$b:::::::\nalice:$6$a::0:99999:7:::\nc:!::0:99999:7:::\n"; got != want {
			t.Errorf("shadow on day %d is %q, want %q", day, got, want)
		}
		if err := f.book().SetPassword(plan.Account{Name: "b", Expire: true}, policy, day); err != nil {
			t.Fatal(err)
		}
		if got, want := string(f.Shadow), "b:$6$b:0:"; !strings.HasPrefix(got, want) {
			t.Errorf("shadow on day %d is %q, want %q", day, got, want)
		}
	}
}

func TestParsePolicy(t *testing.T) {
	p := ParsePolicy([]byte("# c\nUID_MIN  5000\nUID_MAX\t5001\nHOME_MODE 0700\nUMASK 027\nUSERGROUPS_ENAB no\nPASS_MAX_DAYS 90\nGID_MIN junk\n"),
		[]byte("SHELL=/bin/zsh\n# HOME=/x\nHOME=\"/users\"\n"))
	f := sample()
	for range 2 {
		name := []string{"x", "y"}[len(Users(f.Passwd))-2]
		if _, _, err := f.book().AddUser(plan.Account{Name: name}, p, today); err != nil {
			t.Fatal(err)
		}
	}
	if want := "x:x:5000:100::/users/x:/bin/zsh\ny:x:5001:100::/users/y:/bin/zsh\n+"; !strings.Contains(string(f.Passwd), want) {
		t.Errorf("passwd\n%s", f.Passwd)
	}
	if p.HomeMode != 0o700 || p.GID.Min != 1000 || p.PassMax != "90" || ParsePolicy([]byte("UMASK 027\n"), nil).HomeMode != 0o750 {
		t.Errorf("policy %+v", p)
	}
	if _, _, err := f.book().AddUser(plan.Account{Name: "z"}, p, today); !errors.Is(err, ErrNoID) {
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
		_, fresh, err := files.book().AddUser(plan.Account{Name: name, Gecos: gecos, Groups: []string{"wheel"}}, ParsePolicy(nil, nil), today)
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
		if _, found := files.book().User(name); !found {
			t.Fatalf("%q was not added", name)
		}
		again := files
		if _, fresh, err := again.book().AddUser(plan.Account{Name: name, Groups: []string{"wheel"}}, ParsePolicy(nil, nil), today); err != nil || fresh {
			t.Fatalf("again: %v, fresh %v", err, fresh)
		}
		if diff := cmp.Diff(map[string][]string{}, edits(files, again)); diff != "" {
			t.Fatalf("again:\n%s", diff)
		}
	})
}

// book opens f for one edit, which is written back.
func (f *Files) book() editor { return editor{NewBook(*f), f} }

type editor struct {
	*Book
	files *Files
}

func (e editor) AddUser(a plan.Account, p Policy, day int) (plan.PasswdEntry, bool, error) {
	defer func() { *e.files = e.Files() }()
	return e.Book.AddUser(a, p, day)
}

func (e editor) SetPassword(a plan.Account, p Policy, day int) error {
	defer func() { *e.files = e.Files() }()
	return e.Book.SetPassword(a, p, day)
}

// A row of edits on one book comes to what it comes to on a new book each, and
// what is undone was not there.
func FuzzRow(f *testing.F) {
	s := sample()
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, string(s.Passwd), string(s.Shadow), string(s.Group), string(s.GShadow), string(s.SubUID))
	f.Add([]byte{12, 30, 7, 7}, "a:x:59999:1::/:\na:x:b:1:::\n", "a:", "a:x:1:\nb:x:y:\n", "+a:::", "b:1:2:3\na:1:x\n")
	f.Fuzz(func(t *testing.T, edits []byte, passwd, shadow, group, gshadow, subuid string) {
		files := Files{Passwd: []byte(passwd), Shadow: []byte(shadow), Group: []byte(group), GShadow: []byte(gshadow), SubUID: []byte(subuid)}
		if shadow == "" {
			files.Shadow, files.GShadow = nil, nil
		}
		row := NewBook(files)
		p := ParsePolicy([]byte("UID_MAX 1003\nGID_MAX 1003\nSYS_UID_MIN 997\nSYS_GID_MIN 997\n"), nil)
		for i, e := range edits[:min(len(edits), 40)] {
			do := func(b *Book) error {
				a := plan.Account{Name: string(rune('a' + e%5)), System: e&32 != 0, Lock: e&64 != 0}
				switch e / 5 % 5 {
				case 0, 1:
					a.Groups = []string{string(rune('c' + e%7)), "g"}
					if e&16 != 0 {
						a.UID, a.PrimaryGroup = id(1000+int(e%6)), "b"
					}
					_, _, err := b.AddUser(a, p, today)
					return err
				case 2:
					a.Members = []string{"a", string(rune('a' + e%3))}
					return b.AddGroup(a, p)
				case 3:
					a.Groups = []string{"b", "not a name"}
					_, _, err := b.AddUser(a, p, today)
					return err
				}
				a.Hash = "$6$" + string(rune('a'+e%4))
				return b.SetPassword(a, p, today+i)
			}
			one := NewBook(row.Files())
			before := one.Files()
			err, err2 := do(row), do(one)
			if (err == nil) != (err2 == nil) {
				t.Fatalf("edit %d: %v in a row, %v alone", i, err, err2)
			}
			want := one.Files()
			if e&128 != 0 || err != nil {
				row.Undo()
				want = before
			}
			if diff := cmp.Diff(texts(want), texts(row.Files())); diff != "" {
				t.Fatalf("edit %d (-alone +in a row):\n%s", i, diff)
			}
		}
	})
}

func texts(f Files) []string {
	return []string{string(f.Passwd), string(f.Shadow), string(f.Group), string(f.GShadow), string(f.SubUID), string(f.SubGID)}
}
