package hostkey

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// ssh-keygen itself is the judge: it must read the private key, find the
// public one in it, and that must be the line we wrote.
func TestGenerateIsReadBySSHKeygen(t *testing.T) {
	for _, kind := range []string{"rsa", "ecdsa", "ed25519"} {
		t.Run(kind, func(t *testing.T) {
			private, public, err := Generate(kind, "root@host")
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(file, private, 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := exec.Command("ssh-keygen", "-y", "-f", file).CombinedOutput()
			if err != nil {
				t.Fatalf("ssh-keygen: %v: %s", err, got)
			}
			if string(got) != string(public) {
				t.Errorf("ssh-keygen -y says\n%swe wrote\n%s", got, public)
			}
			again, err := Public(private, "root@host")
			if err != nil || string(again) != string(public) {
				t.Errorf("Public = %s, %v; want %s", again, err, public)
			}
		})
	}
}

func TestGenerateRefusesOthers(t *testing.T) {
	if _, _, err := Generate("dsa", ""); err == nil {
		t.Error("a dsa key was made")
	}
}

func FuzzPublic(f *testing.F) {
	private, _, err := Generate("ed25519", "")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(private)
	f.Fuzz(func(t *testing.T, data []byte) {
		if line, err := Public(data, "c"); err == nil && len(line) == 0 {
			t.Error("no error and no line")
		}
	})
}
