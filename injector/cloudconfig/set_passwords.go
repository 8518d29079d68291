package cloudconfig

import (
	"strings"

	"boothook/injector/accounts"
	"boothook/injector/plan"
)

// passwordLetters are those of cloud-init's random passwords: none that look
// alike. passwordLength is its length.
const (
	passwordLetters = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
	passwordLength  = 20
)

// sshdDropins is where sshd of the last ten years includes files from.
const sshdDropins = "/etc/ssh/sshd_config.d"

// setPasswords plans password, chpasswd and ssh_pwauth.
func setPasswords(b *builder) {
	chpasswd := b.cfg.Get("chpasswd")
	expire := chpasswd.Get("expire").Truth(true)
	if v := b.cfg.Get("password"); !v.Missing() {
		switch user := b.people.main; user {
		case "":
			b.warn(v, "password: there is no default user to set it for")
		default:
			b.password(v, user, b.str("password", v), "", expire)
		}
	}
	for _, v := range chpasswd.Get("users").Items() {
		name, kind := v.Get("name").Scalar(), v.Get("type").Scalar()
		if kind == "" {
			kind = "hash"
		}
		if v.Kind != Map || name == "" || kind != "hash" && kind != "text" && kind != "RANDOM" {
			b.fail(v, "a user of chpasswd needs a name and a type, one of hash, text and RANDOM")
			continue
		}
		b.password(v, name, v.Get("password").Scalar(), kind, expire)
	}
	for _, item := range chpasswd.Get("list").Items() {
		for line := range strings.Lines(item.Scalar()) {
			name, password, ok := strings.Cut(strings.TrimSpace(line), ":")
			if !ok {
				if name != "" {
					b.fail(item, "a line of chpasswd must be name:password")
				}
				continue
			}
			b.password(item, name, password, "", expire)
		}
	}
	sshPasswords(b)
}

// password plans one. Without a kind it is told by its looks, as cloud-init
// does for password and chpasswd.list.
func (b *builder) password(at *Value, user, password, kind string, expire bool) {
	if err := accounts.CheckName(user); err != nil {
		b.fail(at, "password: %v", err)
		return
	}
	if kind == "" {
		switch {
		case password == "R" || password == "RANDOM":
			kind = "RANDOM"
		case isHash(password):
			kind = "hash"
		default:
			kind = "text"
		}
	}
	a := plan.Account{Name: user, Hash: password, Expire: expire}
	switch kind {
	case "RANDOM":
		random := b.randomPassword(at)
		if a.Hash = b.crypt(at, random); a.Hash != "" {
			b.result.RandomPasswords = append(b.result.RandomPasswords, RandomPassword{user, random})
		}
	case "text":
		if a.Hash = b.crypt(at, password); a.Hash == "" && password != "" {
			return // crypt has said why
		}
	}
	if a.Hash == "" || strings.ContainsAny(a.Hash, ":\n") {
		b.fail(at, "user %s: the password is empty or not one; it is not set", user)
		return
	}
	b.step(&plan.Step{Kind: plan.Password, Account: &a, Secret: true, Why: at.why("chpasswd")})
}

// isHash matches $1$…, $2a$…, $2y$…, $5$…, $6$… and $y$… with a salt and a digest.
func isHash(s string) bool {
	if strings.Contains(s, ":") {
		return false
	}
	f := strings.Split(s, "$")
	if len(f) < 4 || f[0] != "" || f[2] == "" || f[3] == "" {
		return false
	}
	switch f[1] {
	case "1", "2a", "2y", "5", "6", "y":
		return true
	}
	return false
}

func (b *builder) randomPassword(at *Value) string {
	out := make([]byte, 0, passwordLength)
	for one := make([]byte, 1); len(out) < passwordLength; {
		if b.Rand == nil {
			return ""
		}
		if _, err := b.Rand.Read(one); err != nil {
			b.fail(at, "no random password: %v", err)
			return ""
		}
		// Bytes beyond a whole number of alphabets would prefer its first letters.
		if limit := 256 - 256%len(passwordLetters); int(one[0]) < limit {
			out = append(out, passwordLetters[int(one[0])%len(passwordLetters)])
		}
	}
	return string(out)
}

// sshPasswords lets sshd take passwords, or not.
func sshPasswords(b *builder) {
	v := b.cfg.Get("ssh_pwauth")
	if v.Missing() || strings.EqualFold(v.Scalar(), "unchanged") {
		return
	}
	if !b.Facts.Exists[sshdDropins] {
		b.fail(v, "ssh_pwauth: this root has no %s, and sshd_config itself is not edited", sshdDropins)
		return
	}
	answer := "no"
	if v.Truth(false) {
		answer = "yes"
	}
	b.step(&plan.Step{
		Kind: plan.File, Path: sshdDropins + "/50-cloud-init.conf", Mode: 0o600,
		Body: []byte("PasswordAuthentication " + answer + "\n"), Why: v.why("ssh_pwauth"),
	})
}
