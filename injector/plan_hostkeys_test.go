package injector

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"boothook/injector/cloudconfig"
)

func TestParseKeys(t *testing.T) {
	const armour = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----\n"
	out := "=== bootcmd ssh-keygen\nnoise\nkey rsa\n" + armour + "ssh-rsa AAAA root@a\nkey ecdsa\nbroken\nkey ed25519\n" + armour + "ssh-ed25519 AAAA root@a\n"
	want := map[string]cloudconfig.KeyPair{
		"rsa":     {Private: []byte(armour), Public: []byte("ssh-rsa AAAA root@a\n")},
		"ed25519": {Private: []byte(armour), Public: []byte("ssh-ed25519 AAAA root@a\n")},
	}
	if diff := cmp.Diff(want, parseKeys([]byte(out))); diff != "" {
		t.Errorf("parseKeys (-want +got):\n%s", diff)
	}
}
