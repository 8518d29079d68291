//go:build net

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boothook/initramfs/report"
)

// TestSeedInTheRoot gives a machine without any sign a seed in its root: it is
// used, and nobody is asked. A link in the seed's place leads nowhere outside.
func TestSeedInTheRoot(t *testing.T) {
	l := newLab(t)
	l.dnsmasq("seed.lab")
	root := l.newRoot()
	seed := filepath.Join(root, "var/lib/cloud/seed/nocloud")
	l.write(filepath.Join(seed, "meta-data"), "instance-id: iid-seeded\nlocal-hostname: seeded\n")
	l.write(filepath.Join(seed, "user-data"), "#cloud-config\nwrite_files: [{path: /etc/motd, content: from the seed}]\n")
	r, log := l.agent(root, "", "--sys", t.TempDir())
	if r.Result != report.Applied || r.InstanceID != "iid-seeded" || len(r.Network) > 0 {
		t.Fatalf("result %s, instance %s, network %v\n%s", r.Result, r.InstanceID, r.Network, log)
	}
	if got := l.read(root, "etc/motd"); got != "from the seed" {
		t.Errorf("motd is %q", got)
	}

	outside := filepath.Join(l.dir, "outside")
	l.write(outside, "instance-id: iid-outside\n")
	meta := filepath.Join(seed, "meta-data")
	if err := os.Remove(meta); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, meta); err != nil {
		t.Fatal(err)
	}
	r, log = l.agent(root, "", "--sys", t.TempDir())
	if strings.Contains(r.InstanceID, "outside") {
		t.Errorf("instance %s was read outside the root\n%s", r.InstanceID, log)
	}
}

// TestSeedWhereTheWordsSay reads a seed from the directory of the root that the
// kernel's words name. One that is not there is no seed without data.
func TestSeedWhereTheWordsSay(t *testing.T) {
	l := newLab(t)
	root := l.newRoot()
	l.write(filepath.Join(root, "var/lib/cloud/seed/nocloud/meta-data"), "instance-id: iid-usual\n")
	l.write(filepath.Join(root, "srv/seed/meta-data"), "instance-id: iid-named\n")
	l.write(filepath.Join(root, "srv/seed/user-data"), "#cloud-config\nwrite_files: [{path: /etc/motd, content: from the seed}]\n")
	for words, want := range map[string]string{"ds=nocloud;s=/srv/seed/": "iid-named", "ds=nocloud;s=file:///srv/../srv/seed;h=web": "iid-named", "ds=nocloud;s=/nowhere/": ""} {
		r, log := l.agent(root, words, "--sys", t.TempDir())
		if r.InstanceID != want || want != "" && l.read(root, "etc/motd") != "from the seed" || want == "" && r.Result != report.Failed {
			t.Errorf("%s: result %s, instance %q, want %q\n%s", words, r.Result, r.InstanceID, want, log)
		}
	}
}

// TestInitOfTheKernelCommandLine gives jobs to the init that really boots, and
// to the usual one where init= is a shell for a repair.
func TestInitOfTheKernelCommandLine(t *testing.T) {
	l := newLab(t)
	for words, want := range map[string]string{
		"":                      "etc/systemd/system/boothook-final.service",
		"init=/lib/sysv/init":   "etc/init.d/boothook-final",
		"init=/bin/nothing":     "etc/systemd/system/boothook-final.service",
		"init=/lib/sysv/script": "etc/systemd/system/boothook-final.service",
	} {
		root := l.newRoot()
		l.write(filepath.Join(root, "lib/sysv/init"), "/etc/inittab\n")
		l.write(filepath.Join(root, "lib/sysv/script"), "#!/bin/sh\n")
		seed := filepath.Join(root, "var/lib/cloud/seed/nocloud")
		l.write(filepath.Join(seed, "meta-data"), "instance-id: iid-seeded\n")
		l.write(filepath.Join(seed, "user-data"), "#!/bin/sh\ntrue\n")
		r, log := l.agent(root, words, "--sys", t.TempDir())
		if _, err := os.Stat(filepath.Join(root, want)); err != nil {
			t.Errorf("%q: %v; result %s\n%s", words, err, r.Result, log)
		}
		if err := os.RemoveAll(root); err != nil {
			t.Fatal(err)
		}
	}
}
