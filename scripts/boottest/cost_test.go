//go:build boot && bench

package boottest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"boothook/cmd/boothook/vm"
	"boothook/initramfs/archive"
	"boothook/initramfs/generators"
	"boothook/initramfs/report"
	"boothook/netboot/simulate"
)

// costCells are the cells of scripts/matrix that are for this processor.
const costCells = "bookworm/initramfs-tools bookworm/dracut bookworm/dracut-systemd bookworm/mkosi bookworm/build bookworm/shell bookworm/u-root " +
	"trixie/initramfs-tools trixie/dracut trixie/dracut-systemd trixie/mkosi trixie/build trixie/uki trixie/microvm"

// costBoots is how often each initrd boots; the medians count.
const costBoots = 3

// costUserData is a name, a file, a key, a drop-in and a command, as in the
// shell hook that all this is compared with. That keeps the image's host keys,
// so they are kept here: to make new ones is the root's ssh-keygen's work, and
// takes it between 3 and 20 seconds of this clock, most of them for RSA.
const costUserData = `#cloud-config
hostname: %s
ssh_authorized_keys: ["%s"]
ssh_deletekeys: false
write_files:
- {path: /etc/motd.d/cost, content: "hello\n"}
- {path: /etc/systemd/system/ssh.service.d/cost.conf, content: "[Service]\nEnvironment=COST=1\n"}
runcmd: [[touch, /var/tmp/cost]]
`

// costMarks is a generator of the root's systemd, the first thing of the root
// that can tell what has been: what the kernel's clock says and how much of
// that it was idle, when its log had the initrd's init and the root's, and
// whether the root was customized.
const costMarks = `#!/bin/sh
exec >/dev/ttyS0 2>&1 </dev/null
echo
grep -E '^now at|sleeptime' /proc/timer_list
dmesg | grep -E 'as init process|running in system mode'
echo "@@name $(cat /etc/hostname)"
[ -e /run/boothook/report.json ] && { echo @@report; cat /run/boothook/report.json; echo; }
echo @@end
`

// TestInitrdCost prints what a boot takes up to the root's init, with each
// generator's initrd as it was made, with the agent in it, and, where scripts
// run the boot, with the shell hook of testdata in the agent's place, beside the
// same modules; and when the user-data were there, beside when the root was.
//
// The guest has one processor and a clock that counts its instructions, 10⁹ to
// the second. While it has nothing to do that clock goes on at the pace of the
// host's (icount's sleep=on): a disk or a metadata service that answers within
// a millisecond has then taken a millisecond. With sleep=off the clock would
// leap to the guest's next timer instead, of which a DHCP client has one in a
// second: a wait would cost whatever a timer says. So "initramfs" holds the
// waits, which depend on how busy this machine is. "busy" is instructions
// alone, from power-on until the root's systemd runs its generators; it varies
// by 0.03, because two of udev's workers may load the same module, and the
// kernel then looks at its signature twice.
//
// BOOTHOOK_CELLS names the cells, as in scripts/matrix.
func TestInitrdCost(t *testing.T) {
	cells := strings.Fields(os.Getenv("BOOTHOOK_CELLS"))
	if len(cells) == 0 {
		cells = strings.Fields(costCells)
	}
	for _, cell := range cells { // what is not there yet is made once
		suite, _, _ := strings.Cut(cell, "/")
		findKernel(t, suite)
		rootOf(t, suite)
	}
	rows := make([]string, len(cells))
	t.Run("cells", func(t *testing.T) {
		for i, cell := range cells {
			t.Run(cell, func(t *testing.T) {
				t.Parallel()
				rows[i] = costRows(t, cell)
				t.Logf("\n%s", rows[i])
			})
		}
	})
	t.Logf("seconds of 10⁹ instructions, medians of %d boots\n%-22s %-9s %8s %7s %9s %7s %7s %7s   %s\n%s", costBoots,
		"", "", "→ init", "more", "initramfs", "more", "busy", "more", "after init", strings.Join(rows, ""))
}

// costRows are the lines of the table for one cell; each says how much more it
// is than the first.
func costRows(t *testing.T, cell string) (rows string) {
	suite, kind, _ := strings.Cut(cell, "/")
	var base cost
	for i, v := range variants(t, findKernel(t, suite), kind) {
		c := v.cost(t, suite)
		if i == 0 {
			base = c
		}
		rows += fmt.Sprintf("%-22s %-9s %8.3f %+7.3f %9.3f %+7.3f %7.3f %+7.3f   %s\n", cell, v.name,
			c.kernel, c.kernel-base.kernel, c.initramfs, c.initramfs-base.initramfs, c.busy, c.busy-base.busy, c.overlap())
	}
	return rows
}

// rootOf is the disk that a suite's cells boot from.
func rootOf(t *testing.T, suite string) string {
	t.Helper()
	if suite == "bookworm" {
		suite = "plain"
	}
	return filepath.Join(strings.TrimSpace(run(t, "../image", suite)), "root.img")
}

// A variant is one way to boot a cell. Without an initrd its kernel is a
// unified image, and wants EFI firmware.
type variant struct {
	name, kernel, initrd, words string
	micro                       bool
}

const (
	plainly    = "plain"
	withAgent  = "boothook"
	withScript = "script"
)

// variants are the initrd without the agent and with it, as scripts/matrix
// makes them. What does not boot without it is told to do nothing instead.
func variants(t *testing.T, k kernel, kind string) []variant {
	t.Helper()
	tool := built.Path(t, "boothook")
	plain, out := filepath.Join(k.dir, kind), filepath.Join(t.TempDir(), "initrd")
	modules, vmlinuz := filepath.Join(k.dir, "modules", k.version), filepath.Join(k.dir, "vmlinuz")
	build := []string{"build", "--kernel", k.version, "--modules", modules, "--out", out}
	off := func(words string, micro bool) []variant {
		return []variant{{plainly, vmlinuz, out, words + " boothook=off", micro}, {withAgent, vmlinuz, out, words, micro}}
	}
	both := func(words string) []variant {
		return []variant{{plainly, vmlinuz, plain, words, false}, {withAgent, vmlinuz, out, words, false}}
	}
	switch kind {
	case "build":
		run(t, tool, build...)
		return off("", false)
	case "microvm": // whose processor's rate is the counter's
		run(t, tool, append(build, "--module-names", "virtio_mmio,virtio_blk,virtio_net,ext4", "--compress", "lz4")...)
		return off("boothook.source=ec2 tsc_early_khz=1000000", true)
	case "shell": // which leaves the modules to bake
		run(t, "../examples/shell", modules, out, "lzma")
		return off("", false)
	case "uki":
		run(t, "../examples/uki", vmlinuz, filepath.Join(k.dir, "initramfs-tools"), out)
		return []variant{{plainly, out + ".plain", "", "", false}, {withAgent, out, "", "", false}}
	case "u-root":
		run(t, "../examples/uroot", filepath.Join(k.dir, "initramfs-tools"), out)
		plain = out + ".plain"
		return both("uroot.initflags=systemd=1")
	}
	bake := []string{"bake", "--initrd", plain, "--modules", modules}
	run(t, tool, append(bake, "--out", out)...)
	if kind != "initramfs-tools" && kind != "dracut" {
		return both("")
	}
	script := out + ".script"
	run(t, tool, append(bake, "--out", script, "--agent", busybox, "--extra", "none")...)
	addHook(t, script)
	return append(both(""), variant{withScript, vmlinuz, script, "", false})
}

// busybox is what testdata/hook.sh needs. It is baked in for the agent first,
// because bake takes no script for one.
const busybox = "/bin/busybox"

// addHook puts testdata/hook.sh where an initrd has its agent.
func addHook(t *testing.T, initrd string) {
	t.Helper()
	whole, err := os.ReadFile(initrd)
	check(t, err)
	tree, _, err := archive.Read(bytes.NewReader(whole), int64(len(whole)), archive.KeepSmall(1<<16))
	check(t, err)
	files, err := tree.Overlay([]archive.File{
		{Name: "/usr/lib/hook/lease", Mode: archive.TypeRegular | 0o755, Data: []byte(readFile(t, "testdata/lease.sh"))},
		{Name: "/usr/bin/busybox", Mode: archive.TypeRegular | 0o755, Data: []byte(readFile(t, busybox))},
		{Name: generators.Agent, Mode: archive.TypeRegular | 0o755, Data: []byte(readFile(t, "testdata/hook.sh"))},
	})
	check(t, err)
	var segment bytes.Buffer
	check(t, archive.Write(&segment, files))
	out := bytes.NewBuffer(append(whole, make([]byte, -len(whole)&3+4)...))
	check(t, archive.Compress(out, archive.Zstd, segment.Bytes()))
	check(t, os.WriteFile(initrd, out.Bytes(), 0o644))
}

// A cost is what one boot took, in seconds of 10⁹ instructions.
type cost struct {
	// kernel is from its start to the initrd's init; the initrd is unpacked
	// then. initramfs is from there to the first word of the root's systemd.
	kernel, initramfs float64
	// busy is all that the processor did, as far as the root's generators.
	busy float64
	// From the initrd's init on, by the report: when the agent began to raise
	// the network, when it began to fetch, when it had, when the root was
	// there. All 0 without the agent.
	began, leased, fetched, root float64
}

// overlap says when the fetch was, and the root.
func (c cost) overlap() string {
	if c.root == 0 {
		return ""
	}
	return fmt.Sprintf("network from %.3f, fetch %.3f to %.3f, root %.3f", c.began, c.leased, c.fetched, c.root)
}

// cost boots some times and gives the medians.
func (v variant) cost(t *testing.T, suite string) (c cost) {
	t.Helper()
	var all []cost
	for range costBoots {
		all = append(all, v.boot(t, suite))
	}
	for _, field := range []func(*cost) *float64{
		func(c *cost) *float64 { return &c.kernel }, func(c *cost) *float64 { return &c.initramfs },
		func(c *cost) *float64 { return &c.busy }, func(c *cost) *float64 { return &c.began },
		func(c *cost) *float64 { return &c.leased }, func(c *cost) *float64 { return &c.fetched },
		func(c *cost) *float64 { return &c.root },
	} {
		slices.SortFunc(all, func(a, b cost) int { return cmp.Compare(*field(&a), *field(&b)) })
		*field(&c) = *field(&all[len(all)/2])
	}
	return c
}

// boot boots once, until the root's init has begun.
func (v variant) boot(t *testing.T, suite string) cost {
	t.Helper()
	w := newWorld(t, image{disk: rootOf(t, suite)})
	defer os.Remove(w.disk) // there will be many
	check(t, w.root.WriteFile(t.Context(), "/etc/systemd/system-generators/cost", []byte(costMarks), 0o755, 0, 0))
	w.serveEC2(t)
	id, name := "i-0"+random(8), "cost-"+random(3)
	w.setMachine(simulate.Machine{InstanceID: id, UserData: fmt.Appendf(nil, costUserData, name, w.login.Public)})
	w.allowV1()
	m := vm.Machine{
		Network: w.network, Dir: t.TempDir(), Disk: w.disk, Kernel: v.kernel, Initrd: v.initrd,
		Words: []string{"root=" + w.root.Device(), "console=ttyS0", "quiet", "mitigations=off", v.words},
		Accel: vm.Counted, MemoryMB: 768, MicroVM: v.micro,
	}
	if !v.micro {
		m.DMI = vm.EC2(id)
	}
	if v.initrd == "" {
		m.EFIVars = filepath.Join(t.TempDir(), "efivars")
		check(t, vm.MakeEFIVars(m.EFIVars, vm.AMD64))
	}
	ctx, cut := context.WithTimeout(t.Context(), bootTimeout)
	defer cut()
	guest, err := vm.Start(ctx, m)
	check(t, err)
	defer func() { cut(); <-guest.Done() }()
	if _, err := guest.Console.Wait(ctx, "@@end"); err != nil {
		showEnd(t, guest)
		t.Fatal(err)
	}
	var console strings.Builder
	for _, l := range guest.Console.Lines() {
		console.WriteString(l.Text + "\n")
	}
	if v.name == plainly {
		name = "debian"
	}
	wantLines(t, console.String(), "@@name "+name)
	c := readCost(t, console.String())
	if v.name == withAgent {
		c.readReport(t, lightReport(t, console.String()))
	}
	t.Logf("%s: %+v", v.name, c)
	return c
}

// allowV1 lets the metadata service answer without a token, too: busybox's
// wget cannot ask for one.
func (w *world) allowV1() {
	w.mu.Lock()
	defer w.mu.Unlock()
	ec2 := w.handler.(simulate.EC2)
	ec2.V1 = true
	w.handler = ec2
}

// readCost reads what costMarks says. Of an initrd's systemd and the root's it
// is the latter that counts.
func readCost(t *testing.T, console string) (c cost) {
	t.Helper()
	number := func(line, before string) (n float64) {
		_, value, _ := strings.Cut(line, before)
		if _, err := fmt.Sscan(strings.TrimRight(strings.Fields(value)[0], "]"), &n); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		return n
	}
	for line := range strings.Lines(console) {
		switch {
		case strings.Contains(line, "as init process"):
			c.kernel = number(line, "[")
		case strings.Contains(line, "running in system mode"):
			c.initramfs = number(line, "[") - c.kernel
		case strings.HasPrefix(line, "now at"):
			c.busy += number(line, "at") / 1e9
		case strings.Contains(line, "sleeptime"):
			c.busy -= number(line, ":") / 1e9
		}
	}
	if c.kernel <= 0 || c.initramfs <= 0 || c.busy < c.kernel {
		t.Fatalf("no cost is read from\n%s", console)
	}
	return c
}

// readReport reads the report's timeline. The network is to be raised before
// the root is there, whoever is first then.
func (c *cost) readReport(t *testing.T, r *report.Report) {
	t.Helper()
	if r.Result != report.Applied {
		t.Fatalf("%s: %v", r.Result, r.Problems)
	}
	for _, m := range r.Timeline {
		at := m.Seconds - c.kernel
		switch {
		case m.Stage == "worker started":
			c.began = at
		case strings.Contains(m.Stage, " has "+vm.GuestAddress):
			c.leased = at
		case m.Stage == "instance fetched":
			c.fetched = at
		case m.Stage == "root is mounted":
			c.root = at
		}
	}
	if c.began >= c.root || c.leased == 0 || c.fetched == 0 {
		t.Errorf("the fetch was not beside the wait for the root: %+v", r.Timeline)
	}
}
