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

// hostKey gives a key of one kind. The root's ssh-keygen makes all that are
// asked for at the first call.
func (w *work) hostKey(ctx context.Context) func(kind string) (cloudconfig.KeyPair, error) {
	var made map[string]cloudconfig.KeyPair
	return func(kind string) (cloudconfig.KeyPair, error) {
		switch {
		case w.NewHostKey != nil:
			private, public, err := w.NewHostKey(kind, w.keyComment())
			return cloudconfig.KeyPair{Private: private, Public: public}, err
		case w.DryRun || w.NoHooks:
			return cloudconfig.KeyPair{}, errAtBoot
		case made == nil:
			made = w.keygen(ctx)
		}
		pair, ok := made[kind]
		if !ok {
			return pair, errNoKeygen
		}
		return pair, nil
	}
}

// keyComment is what ssh-keygen would write, in characters that need no
// quoting.
func (w *work) keyComment() string {
	name := strings.Map(func(r rune) rune {
		if r == '-' || r == '.' || r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z' {
			return r
		}
		return -1
	}, w.prepared.instance.Hostname)
	if name == "" {
		name = "localhost"
	}
	return "root@" + name
}

// keygen runs the root's ssh-keygen where hooks run, once for all kinds.
func (w *work) keygen(ctx context.Context) map[string]cloudconfig.KeyPair {
	kinds := []string{"rsa", "ecdsa", "ed25519"}
	if asked := w.cfg.Get("ssh_genkeytypes"); !asked.Missing() {
		kinds = slices.DeleteFunc(kinds, func(kind string) bool {
			return !slices.ContainsFunc(asked.Items(), func(v *cloudconfig.Value) bool { return v.Scalar() == kind })
		})
	}
	var out bytes.Buffer
	script := fmt.Sprintf(keygen, strings.Join(kinds, " "), w.keyComment())
	results := hooks.Run(ctx, hooks.Config{Root: w.root.Path(), InstanceID: w.prepared.instance.ID, Output: &out},
		[]hooks.Hook{{Kind: hooks.Bootcmd, Name: "ssh-keygen", Body: []byte(script)}})
	for _, r := range results {
		w.problem(r.Problems()...)
	}
	return parseKeys(out.Bytes())
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
