package injector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"boothook/injector/cloudconfig"
	"boothook/injector/hooks"
	"boothook/netboot/instance"
)

// A KeyMaker makes an SSH host key of the kind "rsa", "ecdsa" or "ed25519"
// with this comment.
type KeyMaker func(kind, comment string) (private, public []byte, err error)

var (
	errNoKeygen = errors.New("the root's ssh-keygen made none")
	errAtBoot   = errors.New("host keys are made at boot")
)

// keygen is what makes the keys in the root: its own ssh-keygen, because the
// code for it would be the largest thing in the agent, and because OpenSSL is
// faster at RSA. Until they are in their place the keys stand in /dev/shm, or
// where there is none in the root's own /tmp, in a directory of mode 0700 that
// goes with the script. The X's are mktemp(1)'s, to be filled in.
const keygen = `#!/bin/sh
set -eu
umask 077
d=/dev/shm
[ -d $d ] && [ -w $d ] || d=/tmp
d=$(mktemp -d "$d/boothook.XXXXXX")
trap 'rm -rf "$d"' EXIT
for kind in %s; do
	ssh-keygen -q -t "$kind" -N '' -C '%s' -f "$d/$kind" </dev/null >/dev/null
	echo "key $kind"
	cat "$d/$kind" "$d/$kind.pub"
done
`

// HostKeys makes SSH host keys for a plan, when the first is asked for.
type hostKeys struct {
	newKey  KeyMaker
	comment string
	atBoot  bool // they are left to the boot
	// keygen runs the root's ssh-keygen; made is what it gave.
	keygen   func() (map[string]cloudconfig.KeyPair, problems)
	made     map[string]cloudconfig.KeyPair
	problems problems
}

// newHostKeys makes none yet.
func newHostKeys(ctx context.Context, rootDir string, inst *instance.Instance, cfg cloudconfig.Config, o *Options) *hostKeys {
	comment := keyComment(inst.Hostname)
	return &hostKeys{newKey: o.NewHostKey, comment: comment, atBoot: o.DryRun || o.NoHooks,
		keygen: func() (map[string]cloudconfig.KeyPair, problems) {
			return runKeygen(ctx, o.Hooks, hooks.Config{Root: rootDir, InstanceID: inst.ID}, keyKinds(cfg), comment)
		}}
}

// pair gives a key of one kind. The root's ssh-keygen makes all that are asked
// for at the first call.
func (k *hostKeys) pair(kind string) (cloudconfig.KeyPair, error) {
	switch {
	case k.newKey != nil:
		private, public, err := k.newKey(kind, k.comment)
		return cloudconfig.KeyPair{Private: private, Public: public}, err
	case k.atBoot:
		return cloudconfig.KeyPair{}, errAtBoot
	case k.made == nil:
		k.made, k.problems = k.keygen()
	}
	pair, ok := k.made[kind]
	if !ok {
		return pair, errNoKeygen
	}
	return pair, nil
}

// keyKinds are the kinds that the configuration asks for.
func keyKinds(cfg cloudconfig.Config) []string {
	kinds := []string{"rsa", "ecdsa", "ed25519"}
	if asked := cfg.Get("ssh_genkeytypes"); !asked.Missing() {
		kinds = slices.DeleteFunc(kinds, func(kind string) bool {
			return !slices.ContainsFunc(asked.Items(), func(v *cloudconfig.Value) bool { return v.Scalar() == kind })
		})
	}
	return kinds
}

// keyComment is what ssh-keygen would write, in characters that need no
// quoting.
func keyComment(hostname string) string {
	name := strings.Map(func(r rune) rune {
		if r == '-' || r == '.' || r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z' {
			return r
		}
		return -1
	}, hostname)
	if name == "" {
		name = "localhost"
	}
	return "root@" + name
}

// runKeygen runs the root's ssh-keygen where hooks run, once for all kinds.
func runKeygen(ctx context.Context, run HookRunner, c hooks.Config, kinds []string, comment string) (keys map[string]cloudconfig.KeyPair, found problems) {
	var out bytes.Buffer
	c.Output = &out
	script := fmt.Sprintf(keygen, strings.Join(kinds, " "), comment)
	for _, r := range run.Run(ctx, c, []hooks.Hook{{Kind: hooks.Bootcmd, Name: "ssh-keygen", Body: []byte(script)}}) {
		found.add(r.Problems()...)
	}
	return parseKeys(out.Bytes()), found
}

// parseKeys finds the keys in what the script printed: a line "key KIND", the
// private key's armour, and the line of the public key.
func parseKeys(out []byte) map[string]cloudconfig.KeyPair {
	keys := map[string]cloudconfig.KeyPair{}
	for _, text := range bytes.Split(out, []byte("\nkey "))[1:] {
		kind, text, _ := bytes.Cut(text, []byte("\n"))
		const end = "-----END OPENSSH PRIVATE KEY-----\n"
		i := bytes.Index(text, []byte(end))
		if i < 0 || !bytes.HasPrefix(text, []byte("-----BEGIN OPENSSH PRIVATE KEY-----\n")) {
			continue
		}
		private, rest := text[:i+len(end)], text[i+len(end):]
		public, _, found := bytes.Cut(rest, []byte("\n"))
		if !found && len(public) == 0 {
			continue
		}
		keys[string(kind)] = cloudconfig.KeyPair{Private: private, Public: append(bytes.Clone(public), '\n')}
	}
	return keys
}
