//go:build net

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"boothook/initramfs/report"
	"boothook/injector/state"
)

// machine makes a sysfs in which the firmware is EC2's, and what an initrd
// would remember of that machine once it is known.
func (l *lab) machine(id string) (sysfs, hint string) {
	sysfs = filepath.Join(l.dir, "sys-"+id)
	for name, value := range map[string]string{"sys_vendor": "Amazon EC2", "board_asset_tag": id} {
		l.write(filepath.Join(sysfs, "class/dmi/id", name), value+"\n")
	}
	hint = filepath.Join(l.dir, "hint-"+id)
	l.write(hint, state.Hint("board_asset_tag="+id)+"\n")
	return sysfs, hint
}

// frames counts what the client has sent.
func (l *lab) frames() int {
	l.t.Helper()
	text := l.must("ip", "netns", "exec", l.server, "cat", "/proc/net/dev")
	for line := range strings.Lines(text) {
		// The second column is the packets received.
		if f := strings.Fields(line); f[0] == "s0:" {
			n, err := strconv.Atoi(f[2])
			if err != nil {
				l.t.Fatal(err)
			}
			return n
		}
	}
	l.t.Fatalf("no s0 in %s", text)
	return 0
}

// reached says whether a report's timeline has a stage that begins so.
func reached(r *report.Report, stage string) bool {
	return slices.ContainsFunc(r.Timeline, func(m report.Mark) bool { return strings.HasPrefix(m.Stage, stage) })
}

// A known instance without hooks: with a hint nothing is sent, without one the
// network is let go of at once; nothing is fetched and nothing is written, and
// a dead service is not even noticed.
func TestKnownInstance(t *testing.T) {
	l := newLab(t)
	l.dnsmasq("unused.lab")
	stop := l.ec2("#cloud-config\nwrite_files:\n- {path: /etc/motd, content: \"hello\\n\"}\n", "i-0000aa01", "meta")
	root := l.newRoot()
	sysfs, hint := l.machine("i-0000aa01")
	_, other := l.machine("i-0000aa99")

	r, log := l.agent(root, "", "--sys", sysfs, "--hint", hint)
	if r.Result != report.Applied || l.read(root, "etc/motd") != "hello\n" {
		t.Fatalf("first boot, with a hint that lies: result %s\n%s", r.Result, log)
	}
	if !reached(r, "network held back") || r.Fetch == nil {
		t.Errorf("first boot, with a hint that lies: %v, fetch %v", r.Timeline, r.Fetch)
	}
	if l.frames() == 0 {
		t.Error("the counter of frames counts none")
	}
	if got, want := l.read(root, "var/lib/boothook/known"), l.read("", hint); got != want {
		t.Errorf("the root keeps the hint %q, want %q", got, want)
	}

	stop()
	stamps := l.stamps(root, ".")
	for _, tt := range []struct {
		name, hint string
		held       bool
	}{
		{"with a hint", hint, true},
		{"with another machine's hint", other, false},
		{"without a hint", filepath.Join(l.dir, "nothing"), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before, links, began := l.frames(), l.network(), time.Now()
			r, log := l.agent(root, "boothook.timeout=50s", "--sys", sysfs, "--hint", tt.hint)
			if r.Result != report.Known || r.InstanceID != "i-0000aa01" || r.Source != "ec2" || len(r.Problems) > 0 {
				t.Errorf("result %s, instance %s, problems %v\n%s", r.Result, r.InstanceID, r.Problems, log)
			}
			if r.Unasked == "" || !strings.Contains(log, "nothing was fetched, "+r.Unasked) {
				t.Errorf("unasked %q\n%s", r.Unasked, log)
			}
			if sent := l.frames() - before; tt.held && sent > 0 {
				t.Errorf("%d frames were sent", sent)
			}
			if reached(r, "network held back") != tt.held {
				t.Errorf("timeline %v", r.Timeline)
			}
			if took := time.Since(began); took > 15*time.Second {
				t.Errorf("it took %v", took)
			}
			if after := l.network(); after != links {
				t.Errorf("the network was left as\n%s\nand found as\n%s", after, links)
			}
			for path, now := range l.stamps(root, ".") {
				if stamps[path] != now {
					t.Errorf("%s was touched", path)
				}
			}
		})
	}
}

// What makes a boot ask although the instance is known.
func TestKnownInstanceIsAsked(t *testing.T) {
	l := newLab(t)
	l.dnsmasq("unused.lab")
	l.ec2("#cloud-config\nruncmd: [echo]\n", "i-0000aa02", "meta")
	root := l.newRoot()
	sysfs, hint := l.machine("i-0000aa02")
	clone, _ := l.machine("i-0000aa03")
	if r, log := l.agent(root, "", "--sys", sysfs); r.Result != report.Applied {
		t.Fatalf("first boot: %s\n%s", r.Result, log)
	}
	for _, tt := range []struct {
		name, words, sysfs string
		prepare            func()
		want               report.Result
	}{
		{name: "boothook.again=boot", words: "boothook.again=boot", sysfs: sysfs, want: report.Applied},
		{name: "a dry run", words: "boothook=dry-run", sysfs: sysfs, want: report.DryRun},
		{name: "another machine", sysfs: clone, want: report.Known}, // the service still says it is i-0000aa02
		{name: "a bootcmd in the root's own configuration", sysfs: sysfs, want: report.Known, prepare: func() {
			l.write(filepath.Join(root, "etc/cloud/cloud.cfg.d/50-own.cfg"), "bootcmd:\n- echo own >>/order\n")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.prepare != nil {
				tt.prepare()
			}
			r, log := l.agent(root, tt.words, "--sys", tt.sysfs, "--hint", hint)
			if r.Result != tt.want || r.Unasked != "" || r.Fetch == nil {
				t.Errorf("result %s, unasked %q, fetch %v\n%s", r.Result, r.Unasked, r.Fetch, log)
			}
		})
	}
	if got := l.read(root, "order"); got != "own\n" {
		t.Errorf("the root's own bootcmd ran as %q", got)
	}
	if _, err := os.Stat(filepath.Join(root, "var/lib/boothook/known")); err == nil {
		t.Error("with a bootcmd there is still a hint for the next initrd")
	}
}

// With hooks the source is asked on every boot: changed user-data takes effect
// as far as it is for every boot, and when the service is dead the stored data
// are used, loudly.
func TestKnownInstanceWithHooks(t *testing.T) {
	const userData = "Content-Type: multipart/mixed; boundary=b\nMIME-Version: 1.0\n\n" +
		"--b\nContent-Type: text/cloud-boothook\n\n#cloud-boothook\n#!/bin/sh\necho %WORD hook >>/order\n" +
		"--b\nContent-Type: text/cloud-config\n\n#cloud-config\nwrite_files:\n- {path: /etc/%WORD, content: x}\n--b--\n"
	l := newLab(t)
	l.dnsmasq("unused.lab")
	stop := l.ec2(strings.ReplaceAll(userData, "%WORD", "first"), "i-0000aa04", "meta")
	root := l.newRoot()
	sysfs, _ := l.machine("i-0000aa04")
	if r, log := l.agent(root, "", "--sys", sysfs); r.Result != report.Applied {
		t.Fatalf("first boot: %s\n%s", r.Result, log)
	}
	if _, err := os.Stat(filepath.Join(root, "var/lib/boothook/known")); err == nil {
		t.Error("an instance with hooks leaves a hint")
	}
	stop()

	changed := strings.ReplaceAll(userData, "%WORD", "second")
	stop = l.ec2(changed, "i-0000aa04", "meta")
	r, log := l.agent(root, "", "--sys", sysfs)
	if r.Result != report.Known || len(r.Failures()) > 0 || r.Unasked != "" {
		t.Errorf("changed user-data: %s, %v\n%s", r.Result, r.Problems, log)
	}
	if got := l.read(root, "order"); got != "first hook\nsecond hook\n" {
		t.Errorf("changed user-data: hooks ran as %q", got)
	}
	if _, err := os.Stat(filepath.Join(root, "etc/second")); err == nil {
		t.Error("changed user-data: what is for once per instance was done again")
	}
	if got := l.read(root, "var/lib/cloud/instances/i-0000aa04/user-data.txt"); got != changed {
		t.Errorf("changed user-data: stored is %q", got)
	}
	stop()

	r, log = l.agent(root, "boothook.timeout=3s", "--sys", sysfs)
	if r.Result != report.Known || r.InstanceID != "i-0000aa04" || r.NewInstance {
		t.Errorf("dead service: %s, instance %s, new %v\n%s", r.Result, r.InstanceID, r.NewInstance, log)
	}
	if got := l.read(root, "order"); got != "first hook\nsecond hook\nsecond hook\n" {
		t.Errorf("dead service: hooks ran as %q", got)
	}
	for _, want := range []string{"no source answered within 3s", "the data stored in the root are used"} {
		said := func(p report.Problem) bool { return strings.Contains(p.Message, want) }
		if !slices.ContainsFunc(r.Problems, said) || !strings.Contains(log, want) {
			t.Errorf("dead service: nobody says %q: %v\n%s", want, r.Problems, log)
		}
	}

	// Another machine's disk: its data are not ours.
	clone, _ := l.machine("i-0000aa05")
	r, _ = l.agent(root, "boothook.timeout=3s", "--sys", clone)
	if r.Result != report.Failed || l.read(root, "order") != "first hook\nsecond hook\nsecond hook\n" {
		t.Errorf("dead service on a clone: %s, hooks ran as %q", r.Result, l.read(root, "order"))
	}
}
