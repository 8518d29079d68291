package generators

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestModules(t *testing.T) {
	cards, others := Modules()
	if len(cards) < 10 || cards[0] != "virtio_net" || slices.Contains(cards, "virtio_pci") {
		t.Errorf("cards: %q", cards)
	}
	if len(others) < 15 || !slices.Contains(others, "isofs") || slices.Contains(others, "#") {
		t.Errorf("others: %q", others)
	}
}

// What generators run must at least be understood by their shells.
func TestInstalledScripts(t *testing.T) {
	for file, shells := range map[string]string{
		"initramfs-tools/hook": "sh", "initramfs-tools/early": "sh", "initramfs-tools/late": "sh", "settings.sh": "sh bash",
		"dracut/module-setup.sh": "bash", "dracut/early.sh": "sh", "dracut/late.sh": "sh",
	} {
		for shell := range strings.FieldsSeq(shells) {
			if out, err := exec.Command(shell, "-n", "files/"+file).CombinedOutput(); err != nil {
				t.Errorf("%s in %s: %v: %s", file, shell, err, out)
			}
		}
	}
}

// What is in a system's /etc/boothook and what comes of it in an initrd's.
func TestSettings(t *testing.T) {
	for _, tt := range []struct {
		name         string
		system, want map[string]string
	}{
		{"nothing", nil, map[string]string{}},
		{
			"comments, and what the next initrd does not need",
			map[string]string{
				"etc/boothook/cmdline": "# a word\n boothook.source=ec2\n\t# another\n\nboothook.timeout=30s\n", "etc/boothook/modules": "ena\n",
				"etc/boothook/cmdline~": "", "etc/boothook/modules.dpkg-old": "", "etc/boothook/cmdline.rpmnew": "", "etc/boothook/known": "stale",
			},
			map[string]string{"cmdline": " boothook.source=ec2 boothook.timeout=30s "},
		},
		{
			"all else, as it is",
			map[string]string{"etc/boothook/seed/user-data": "#!/bin/sh\n", "etc/boothook/key.pub": "key", "var/lib/boothook/known": "i-1"},
			map[string]string{"seed/user-data": "#!/bin/sh\n", "key.pub": "key", "known": "i-1"},
		},
		{
			"links",
			map[string]string{"srv/ca.pem": "mine", "etc/boothook/ca.pem -> ../../srv/ca.pem": "", "etc/boothook/.#cmdline -> me@here.1": "", "etc/boothook/key.pub": "key"},
			map[string]string{"ca.pem": "mine", "key.pub": "key"},
		},
		{
			"Debian's certificates",
			map[string]string{"etc/pki/tls/certs/ca-bundle.crt": "fedora", "etc/ssl/certs/ca-certificates.crt": "debian"},
			map[string]string{"ca.pem": "debian"},
		},
		{"Fedora's certificates", map[string]string{"etc/pki/tls/certs/ca-bundle.crt": "fedora"}, map[string]string{"ca.pem": "fedora"}},
		{
			"its own certificates",
			map[string]string{"etc/boothook/ca.pem": "mine", "etc/ssl/certs/ca-certificates.crt": "debian"},
			map[string]string{"ca.pem": "mine"},
		},
	} {
		for _, shell := range []string{"sh", "bash"} {
			t.Run(tt.name+" in "+shell, func(t *testing.T) {
				system, initrd := t.TempDir(), t.TempDir()
				for name, text := range tt.system {
					name, target, link := strings.Cut(name, " -> ")
					name = filepath.Join(system, name)
					err := os.MkdirAll(filepath.Dir(name), 0o755)
					if err == nil && link {
						err = os.Symlink(target, name)
					} else if err == nil {
						err = os.WriteFile(name, []byte(text), 0o644)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				cmd := exec.Command(shell, "-euc", `. files/settings.sh; boothook_settings "$1" "$2"`, shell, system, initrd)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				if diff := cmp.Diff(tt.want, contents(t, filepath.Join(initrd, "etc/boothook"))); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// dracut's instmods, without names, takes them from its standard input: one
// that stays open would hold dracut for ever.
func TestDracutModules(t *testing.T) {
	for list, want := range map[string]string{
		"# none\n \n": "[] hostonly []",
		"# network\nena gve # of two clouds\n\nvirtio_net\n": "[ena gve virtio_net] hostonly []",
	} {
		root := t.TempDir()
		settings, err := os.ReadFile("files/settings.sh")
		for name, data := range map[string][]byte{"usr/lib/boothook/settings.sh": settings, "etc/boothook/modules": []byte(list)} {
			name = filepath.Join(root, name)
			err = errors.Join(err, os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, data, 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("bash", "-euc", `
			instmods() { echo "[$*] hostonly [$hostonly]"; (($#)) || cat; }
			dracutsysrootdir=$1 hostonly=yes
			. files/dracut/module-setup.sh
			installkernel`, "bash", root)
		cmd.Stdin = strings.NewReader("what another writes")
		out, err := cmd.CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("%q: %v: %s, want %s", list, err, got, want)
		}
	}
}

// contents reads the regular files below a folder.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if !entry.Type().IsRegular() {
			t.Errorf("%s is no regular file", name)
			return nil
		}
		data, err := os.ReadFile(name)
		out[strings.TrimPrefix(name, dir+"/")] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// mkinitramfs gives the names of a stage's scripts to tsort(1), each as a pair
// with itself if it waits for no other. Ours must come out where bake puts them.
func TestInstalledOrder(t *testing.T) {
	for _, others := range [][2]string{
		{"all_generic_ide blacklist keymap udev", "udev"},
		{"", "overlayroot udev"},
		{"udev", "plymouth udev zz-last"},
		{"framebuffer", ""},
	} {
		top, bottom := sorted(t, others[0], ownEarly), sorted(t, others[1], ownLate)
		base := debian(map[string]string{"init-top": order("init-top", top...), "init-bottom": order("init-bottom", bottom...)})
		base = append(base, script(ownEarly, initramfsToolsEarly), script(ownLate, initramfsToolsLate))
		if err := (initramfsTools{}).Check(treeOf(t, base...)); err != nil {
			t.Error(err)
		}
		if top[0] != path.Base(ownEarly) {
			t.Errorf("the early call is not the first of %q", top)
		}
		if i := slices.Index(bottom, "overlayroot"); i > slices.Index(bottom, path.Base(ownLate)) {
			t.Errorf("the late call comes before overlayroot in %q", bottom)
		}
	}
}

func sorted(t *testing.T, others, own string) []string {
	t.Helper()
	var pairs strings.Builder
	for _, name := range append(strings.Fields(others), path.Base(own)) {
		pairs.WriteString(name + " " + name + "\n")
	}
	cmd := exec.Command("tsort")
	cmd.Stdin = strings.NewReader(pairs.String())
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}
