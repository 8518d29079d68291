package agent

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boothook/initramfs/machine"
	"boothook/initramfs/report"
	"boothook/injector"
	"boothook/injector/root"
	"boothook/injector/state"
	"boothook/netboot/instance"
)

const (
	thisMachine  = "board_asset_tag=i-0123456789abcdef0"
	otherMachine = "board_asset_tag=i-0fedcba9876543210"
	aHook        = "#cloud-boothook\n#!/bin/sh\n"
)

// TestKnown is the known-instance rule as a table: when packets are held back
// until the root is there, and when the root has the last word that nothing is
// asked at all.
func TestKnown(t *testing.T) {
	mine, other := state.Hint(thisMachine)+"\n", state.Hint(otherMachine)+"\n"
	for _, tt := range []struct {
		name  string
		words string
		hint  string // what the initrd says
		// What the root is: "" for nobody's, else the hardware id in its record.
		hardwareID, source string
		userData           string // "" is a script
		held, settled      bool
	}{
		{name: "a first boot"},
		{name: "a first boot, and a hint that lies", hint: mine, held: true},
		{name: "known", hint: mine, hardwareID: thisMachine, held: true, settled: true},
		{name: "known, without a hint", hardwareID: thisMachine, settled: true},
		{name: "known, with another machine's hint", hint: other, hardwareID: thisMachine, settled: true},
		{name: "known, with a damaged hint", hint: mine[1:], hardwareID: thisMachine, settled: true},
		{name: "known, with too long a hint", hint: strings.Repeat(" ", maxHint) + mine, hardwareID: thisMachine, settled: true},
		{name: "with hooks", hardwareID: thisMachine, userData: aHook},
		{name: "with hooks, and a stale hint", hint: mine, hardwareID: thisMachine, userData: aHook, held: true},
		{name: "with a bootcmd", hardwareID: thisMachine, userData: "#cloud-config\nbootcmd: [echo]\n"},
		{name: "with a part handler", hardwareID: thisMachine, userData: "#part-handler\n"},
		{name: "a clone of another machine", hardwareID: otherMachine},
		{name: "a clone of another machine, and its hint", hint: other, hardwareID: otherMachine},
		{name: "a clone of another machine, and our hint", hint: mine, hardwareID: otherMachine, held: true},
		{name: "again", words: "boothook.again=boot", hint: mine, hardwareID: thisMachine},
		{name: "a dry run", words: "boothook=dry-run", hint: mine, hardwareID: thisMachine},
		{name: "signatures required", words: "boothook.verify=require", hint: mine, hardwareID: thisMachine},
		{name: "the network is to stay", words: "boothook.net=keep", hint: mine, hardwareID: thisMachine},
		{name: "another source is named", words: "boothook.source=openstack", hint: mine, hardwareID: thisMachine},
		{name: "from another source", hint: mine, hardwareID: thisMachine, source: "gce", held: true},
		{name: "a volume", words: "boothook.source=nocloud", hint: mine, hardwareID: thisMachine, source: "nocloud"},
		{name: "a volume is asked before", words: "boothook.source=nocloud,ec2", hint: mine, hardwareID: thisMachine, held: true},
		{name: "a volume is asked after", words: "boothook.source=ec2,nocloud", hint: mine, hardwareID: thisMachine, held: true, settled: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, hint := t.TempDir(), filepath.Join(t.TempDir(), "known")
			if tt.hardwareID != "" {
				live(t, dir, tt.hardwareID, tt.source, tt.userData)
			}
			if tt.hint != "" {
				write(t, hint, tt.hint)
			}
			b, err := newBoot(Env{ByHand: true, Machine: &machine.Machine{ByHand: true}, Cmdline: tt.words, Sysfs: machineSysfs(t), Hint: hint, LogTo: io.Discard})
			if err != nil {
				t.Fatal(err)
			}
			if where := b.findHint(t.Context(), b.newSearch().WantsNetwork(nil)).where; (where == hint) != tt.held || (where == "") == tt.held {
				t.Errorf("held back because of %q, want %v", where, tt.held)
			}
			if got := b.recall(dir) != nil; got != tt.settled {
				t.Errorf("settled: %v, want %v", got, tt.settled)
			}
			r := b.record.Snapshot()
			if got := r.Result == report.Known && r.Unasked != "" && r.InstanceID == "i-1"; got != tt.settled {
				t.Errorf("report: %+v", r)
			}
		})
	}
}

// An apply that was cut short is finished before anything else.
func TestUnfinishedIsNotSettled(t *testing.T) {
	dir := t.TempDir()
	live(t, dir, thisMachine, "", "")
	b, err := newBoot(Env{ByHand: true, Machine: &machine.Machine{ByHand: true}, Sysfs: machineSysfs(t), LogTo: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if b.recall(dir) == nil {
		t.Fatal("not settled without a journal")
	}
	write(t, filepath.Join(dir, root.StateDir, "journal"), "{}")
	if b.recall(dir) != nil {
		t.Error("settled with a journal")
	}
}

// machineSysfs makes a sysfs in which firmware says EC2, and which instance.
func machineSysfs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	_, id, _ := strings.Cut(thisMachine, "=")
	write(t, filepath.Join(dir, "class/dmi/id/sys_vendor"), "Amazon EC2\n")
	write(t, filepath.Join(dir, "class/dmi/id/board_asset_tag"), id+"\n")
	return dir
}

// live makes a root that has been instance i-1 of the machine with that hardware id.
func live(t *testing.T, dir, hardwareID, source, userData string) {
	t.Helper()
	write(t, filepath.Join(dir, "etc/passwd"), "root:x:0:0::/root:/bin/sh\n")
	if source == "" {
		source = "ec2"
	}
	inst := instance.Instance{Source: source, ID: "i-1", HardwareID: hardwareID, UserData: []byte(userData)}
	want := ""
	if userData == "" {
		inst.UserData, want = []byte("#!/bin/sh\n"), state.Hint(hardwareID)
	}
	r, err := root.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p := injector.Prepare(t.Context(), inst, nil)
	result := injector.Inject(t.Context(), r, p, injector.Options{NoHooks: true, Apply: root.Options{AnyOwner: true}})
	if !result.Outcome.Applied {
		t.Fatalf("the root was not customized: %v", result.Outcome.Problems)
	}
	if result.Hint != want {
		t.Fatalf("hint %q, want %q", result.Hint, want)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
