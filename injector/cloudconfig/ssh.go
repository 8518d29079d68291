package cloudconfig

import (
	"slices"
	"strings"

	"boothook/injector/plan"
)

// redirectOptions stand before a key that may only tell its owner to log in
// as somebody else; cloud-init's DISABLE_USER_OPTS.
const redirectOptions = `no-port-forwarding,no-agent-forwarding,no-X11-forwarding,` +
	`command="echo 'Please login as the user \"$USER\" rather than the user \"$DISABLE_USER\".';echo;sleep 10;exit 142"`

// hostKeyKinds are the kinds cloud-init makes unless ssh_genkeytypes says
// otherwise.
var hostKeyKinds = []string{"rsa", "ecdsa", "ed25519"}

// ssh plans host keys and the authorized keys of the default user and root.
func ssh(b *builder) {
	hostKeys(b)
	keys := b.cloudKeys()
	keys = append(keys, b.strings("ssh_authorized_keys", keyList(b.cfg.Get("ssh_authorized_keys")))...)
	if len(keys) == 0 {
		return
	}
	why := plan.Why{Part: "meta-data", Key: "public-keys"}
	if v := b.cfg.Get("ssh_authorized_keys"); !v.Missing() {
		why = v.why("ssh_authorized_keys")
	}
	user := b.people.main
	if user != "" && user != "root" {
		b.authorize(user, keys, "", why)
	}
	prefix := ""
	if user != "root" && b.cfg.Get("disable_root").Truth(len(b.Facts.CloudConfig) > 0) {
		prefix = b.redirection("root")
	}
	if prefix == "" && user != "root" && user != "" && len(b.Facts.CloudConfig) == 0 {
		return // no cloud.cfg: root's file is none of our business
	}
	b.authorize("root", keys, prefix, why)
}

// cloudKeys are the keys that the cloud gives.
func (b *builder) cloudKeys() []string {
	if !b.cfg.Get("allow_public_ssh_keys").Truth(true) {
		return nil
	}
	return slices.Concat(b.Instance.PublicKeys, b.Instance.UserKeys[b.people.main])
}

// redirection is what stands before the keys of an account that nobody is to
// log in to.
func (b *builder) redirection(disabled string) string {
	options := b.cfg.Get("disable_root_opts").Scalar()
	if options == "" {
		options = redirectOptions
	}
	user := b.people.main
	if user == "" {
		user = "NONE"
	}
	return strings.NewReplacer("$DISABLE_USER", disabled, "$USER", user).Replace(options)
}

// authorize plans lines for an authorized_keys file, each once, in order.
func (b *builder) authorize(user string, keys []string, prefix string, why plan.Why) {
	var lines []string
	have := map[string]bool{}
	for _, key := range keys {
		for line := range strings.Lines(key) {
			line = strings.TrimSpace(line)
			if line == "" || line[0] == '#' {
				continue
			}
			if prefix != "" {
				line = prefix + " " + line
			}
			if !have[line] {
				have[line] = true
				lines = append(lines, line)
			}
		}
	}
	if len(lines) > 0 {
		b.step(&plan.Step{
			Kind: plan.AuthorizedKeys, Account: &plan.Account{Name: user},
			Body: []byte(strings.Join(lines, "\n") + "\n"), Mode: 0o600, Why: why,
		})
	}
}

// sshdPaths are where an sshd stands in a root that has one.
func sshdPaths() []string { return []string{"/usr/sbin/sshd", "/usr/bin/sshd"} }

func hostKeyPath(kind string) string { return "/etc/ssh/ssh_host_" + kind + "_key" }

// hostKeyPaths are the private keys that may be there already.
func hostKeyPaths() []string {
	var out []string
	for _, kind := range hostKeyKinds {
		out = append(out, hostKeyPath(kind))
	}
	return out
}

// hostKeys writes the keys that are given or makes new ones, before the first
// sshd starts. Package state takes those of the image away.
func hostKeys(b *builder) {
	steps := b.givenHostKeys()
	hasSSHD := slices.ContainsFunc(sshdPaths(), func(p string) bool { return b.Facts.Exists[p] })
	if len(steps) == 0 && b.NewInstance && hasSSHD {
		steps = b.madeHostKeys(b.cfg.Get("ssh_deletekeys").Truth(true))
	}
	for _, s := range steps {
		b.step(&s)
	}
}

// givenHostKeys reads ssh_keys: KIND_private, KIND_public, KIND_certificate.
func (b *builder) givenHostKeys() []plan.Step {
	var steps []plan.Step
	v := b.cfg.Get("ssh_keys")
	if !v.Missing() && v.Kind != Map {
		b.fail(v, "ssh_keys must be a mapping, not %v", v.Kind)
	}
	for _, e := range v.Map {
		kind, what, _ := strings.Cut(e.Key.Text, "_")
		suffix, mode := "", uint32(0o644)
		switch what {
		case "private":
			mode = 0o600
		case "public":
			suffix = ".pub"
		case "certificate":
			suffix = "-cert.pub"
		default:
			kind = ""
		}
		if !slices.Contains(hostKeyKinds, kind) && kind != "dsa" {
			b.warn(e.Key, "ssh_keys: %q is not known; there are (rsa|ecdsa|ed25519)_(private|public|certificate)", e.Key.Text)
			continue
		}
		body := b.str("a host key", e.Value)
		if body == "" {
			continue
		}
		if !strings.HasSuffix(body, "\n") {
			body += "\n" // sshd refuses a private key whose last line is not ended
		}
		steps = append(steps, plan.Step{
			Kind: plan.File, Path: hostKeyPath(kind) + suffix, Body: []byte(body), Mode: mode,
			Secret: what == "private", Why: e.Value.why("ssh_keys"),
		})
		if what == "certificate" {
			steps = append(steps, plan.Step{
				Kind: plan.File, Path: "/etc/ssh/sshd_config.d/50-cloud-init-" + kind + "-cert.conf",
				Body: []byte("HostCertificate " + hostKeyPath(kind) + "-cert.pub\n"), Mode: 0o600, Why: e.Value.why("ssh_keys"),
			})
		}
	}
	return steps
}

// madeHostKeys makes the kinds that are asked for; without ssh_deletekeys
// only those that are not there.
func (b *builder) madeHostKeys(replaceOld bool) []plan.Step {
	kinds := hostKeyKinds
	v := b.cfg.Get("ssh_genkeytypes")
	if !v.Missing() {
		kinds = b.strings("ssh_genkeytypes", v)
	}
	var steps []plan.Step
	for _, kind := range kinds {
		if !slices.Contains(hostKeyKinds, kind) {
			b.warn(v, "ssh_genkeytypes: keys of this kind are not made; there are rsa, ecdsa and ed25519")
			continue
		}
		if !replaceOld && b.Facts.Exists[hostKeyPath(kind)] {
			continue
		}
		if b.HostKey == nil {
			b.fail(v, "no SSH host keys are made: nothing here makes them")
			return nil
		}
		pair, err := b.HostKey(kind)
		if err != nil {
			b.fail(v, "no SSH host key of kind %s: %v", kind, err)
			continue
		}
		why := plan.Why{Part: "boothook", Key: "ssh_genkeytypes"}
		steps = append(steps,
			plan.Step{Kind: plan.File, Path: hostKeyPath(kind), Body: pair.Private, Mode: 0o600, Secret: true, Why: why},
			plan.Step{Kind: plan.File, Path: hostKeyPath(kind) + ".pub", Body: pair.Public, Mode: 0o644, Why: why})
	}
	return steps
}
