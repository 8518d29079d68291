//go:build powercut

// What a power cut leaves of an apply, shown on real ext4: QEMU's blklogwrites
// driver (in qemu-storage-daemon, as a FUSE file under loop devices) records
// what the kernel writes to a disk and when it flushes it; the record is then
// cut at every point, and within each flush epoch at random, and what is left
// must be whole. The log's format is that of dm-log-writes (the kernel's
// Documentation/admin-guide/device-mapper/log-writes.rst).
//
// The disk has two partitions, / and /home: on a single file system with a
// journal the order of the metadata alone would hide a missing sync.
package root

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"boothook/injector/plan"
	"boothook/scripts/attack"
)

const (
	sector    = 512
	block     = 4096     // what a disk writes wholly or not at all
	partition = 16 << 20 // bytes of each of the two partitions
	logMagic  = 0x6a736677736872
)

// private gives the test's goroutine mounts of its own. Others who make a
// mount namespace meanwhile would else keep a copy of what is mounted here,
// and an unmounted file system would go on being mounted there.
func private(t testing.TB) {
	runtime.LockOSThread() // for good: the thread ends with the test
	must(t, unix.Unshare(unix.CLONE_NEWNS))
	must(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
}

// A write is one block on its way to the disk; flush ends an epoch.
type write struct {
	flush  bool
	offset int64
	data   []byte
}

// cutPlan has a hundred files on two file systems, and the rest.
func cutPlan() plan.Plan {
	p := richPlan()
	for i := range 50 {
		body := strings.Repeat(fmt.Sprintf("%d\n", i), 1+6*i*i)
		p.Steps = append(p.Steps, file(fmt.Sprintf("/etc/new-%d", i), body), file(fmt.Sprintf("/home/shared/new-%d", i), body))
		if i < 10 {
			p.Steps = append(p.Steps, file(fmt.Sprintf("/home/old-%d", i), body), file(fmt.Sprintf("/etc/old-%d", i), body))
		}
	}
	return p
}

// A disk is an image with two file systems, mounted on one root.
type disk struct {
	t     testing.TB
	dir   string
	loops []string
}

// mountDisk puts the partitions of image on loop devices and mounts them.
func mountDisk(t testing.TB, image string) *disk {
	d := &disk{t: t, dir: filepath.Join(filepath.Dir(image), "mnt")}
	must(t, os.MkdirAll(d.dir, 0o755))
	for i := range 2 {
		d.loops = append(d.loops, loop(t, image, int64(i)*partition))
	}
	d.mount()
	return d
}

func (d *disk) mount() {
	must(d.t, unix.Mount(d.loops[0], d.dir, "ext4", 0, ""))
	must(d.t, os.MkdirAll(d.dir+"/home", 0o755))
	must(d.t, unix.Mount(d.loops[1], d.dir+"/home", "ext4", 0, ""))
}

func (d *disk) unmount() {
	must(d.t, unix.Unmount(d.dir+"/home", 0))
	must(d.t, unix.Unmount(d.dir, 0))
}

func (d *disk) detach() {
	for _, dev := range d.loops {
		run(d.t, "losetup", "--detach", dev)
	}
}

func (d *disk) fsck() error {
	for _, dev := range d.loops {
		if out, err := exec.Command("e2fsck", "-fn", dev).CombinedOutput(); err != nil {
			return fmt.Errorf("e2fsck: %w\n%s", err, out)
		}
	}
	return nil
}

// loop puts a part of a file on a loop device.
func loop(t testing.TB, image string, offset int64) string {
	return run(t, "losetup", "--find", "--show", "--offset", fmt.Sprint(offset), "--sizelimit", fmt.Sprint(partition), image)
}

// newDisk makes the image with the root before the apply.
func newDisk(t testing.TB, image string) (old map[string]string) {
	run(t, "truncate", "-s", fmt.Sprint(2*partition), image)
	for i := range 2 {
		dev := loop(t, image, int64(i)*partition)
		run(t, "mkfs.ext4", "-q", "-b", fmt.Sprint(block), "-J", "size=4", "-E", "lazy_itable_init=0,lazy_journal_init=0", dev)
		run(t, "losetup", "--detach", dev)
	}
	d := mountDisk(t, image)
	fill(t, d.dir)
	for i := range 10 {
		must(t, os.WriteFile(fmt.Sprintf("%s/home/old-%d", d.dir, i), []byte("old\n"), 0o644))
		must(t, os.WriteFile(fmt.Sprintf("%s/etc/old-%d", d.dir, i), []byte("old\n"), 0o644))
	}
	old = listing(t, d.dir)
	d.unmount()
	d.detach()
	return old
}

// A record is what an apply wrote to a disk.
type record struct {
	base     []byte
	writes   []write
	done     int // how many writes there were when Apply returned
	old, new map[string]string
}

// recordApply applies the plan on a disk that is recorded. Afterwards
// something else syncs the root file system, as every running system does.
func recordApply(t testing.TB, sys syscalls) record {
	dir, err := os.MkdirTemp("/dev/shm", "boothook-powercut-")
	must(t, err)
	defer os.RemoveAll(dir)
	image, log, export := dir+"/disk", dir+"/log", dir+"/export"
	var rec record
	rec.old = newDisk(t, image)
	rec.base, err = os.ReadFile(image)
	must(t, err)
	must(t, os.WriteFile(log, nil, 0o600))
	must(t, os.WriteFile(export, nil, 0o600))
	qemu := exec.Command("qemu-storage-daemon",
		"--blockdev", "driver=file,node-name=data,filename="+image,
		"--blockdev", "driver=file,node-name=log,filename="+log,
		"--blockdev", "driver=blklogwrites,node-name=recorded,file=data,log=log",
		"--export", "type=fuse,id=fuse,node-name=recorded,writable=on,mountpoint="+export)
	qemu.Stderr = os.Stderr
	must(t, qemu.Start())
	defer qemu.Wait()
	defer qemu.Process.Signal(unix.SIGTERM)
	for n := 0; size(export) != 2*partition; n++ { // the export shows by its size
		if n > 1000 {
			t.Fatal("qemu-storage-daemon does not export its file")
		}
		time.Sleep(10 * time.Millisecond)
	}
	d := mountDisk(t, export)
	r, err := Open(d.dir)
	must(t, err)
	r.sys = sys
	_, err = r.Apply(context.Background(), cutPlan(), Options{Now: someDay})
	must(t, err)
	r.Close()
	rec.done = logged(t, log)
	rec.new = listing(t, d.dir)
	syncRoot(t, d.dir)
	all := logged(t, log)
	d.unmount()
	d.detach()
	rec.writes, rec.done = parseLog(t, log, all, rec.done)
	return rec
}

func size(path string) int64 {
	fi, err := os.Stat(path)
	if err != nil {
		return -1
	}
	return fi.Size()
}

func syncRoot(t testing.TB, dir string) {
	f, err := os.Open(dir)
	must(t, err)
	defer f.Close()
	must(t, unix.Syncfs(int(f.Fd())))
}

// logged reads from the log's superblock how many entries it has; QEMU brings
// it up to date at each flush.
func logged(t testing.TB, log string) int {
	head := make([]byte, sector)
	f, err := os.Open(log)
	must(t, err)
	defer f.Close()
	_, err = f.ReadAt(head, 0)
	must(t, err)
	if binary.LittleEndian.Uint64(head) != logMagic {
		t.Fatal("not a log of writes")
	}
	return int(binary.LittleEndian.Uint64(head[16:]))
}

// parseLog reads the first n entries as writes of single blocks, and says how
// many of these the first done entries make.
func parseLog(t testing.TB, log string, n, done int) ([]write, int) {
	text, err := os.ReadFile(log)
	must(t, err)
	var list []write
	at, doneWrites := sector, 0
	for i := range n {
		if i == done {
			doneWrites = len(list)
		}
		e := text[at : at+sector]
		from, count, flags := int64(binary.LittleEndian.Uint64(e)), int(binary.LittleEndian.Uint64(e[8:])), binary.LittleEndian.Uint64(e[16:])
		at += sector
		if flags&1 != 0 {
			list = append(list, write{flush: true})
		}
		if flags&4 != 0 {
			continue // a discard carries no data
		}
		data := text[at : at+count*sector]
		at += len(data)
		for o := 0; o < len(data); o += block {
			list = append(list, write{offset: from*sector + int64(o), data: data[o:min(o+block, len(data))]})
		}
	}
	if done == n {
		doneWrites = len(list)
	}
	return list, doneWrites
}

// check looks at what is left of the disk when only these writes have got
// there, and returns an error if that is not whole.
func (rec record) check(t testing.TB, image string, writes []write, mustBeNew bool) (err error) {
	left := append([]byte{}, rec.base...)
	for _, w := range writes {
		copy(left[w.offset:], w.data)
	}
	must(t, os.WriteFile(image, left, 0o600))
	d := mountDisk(t, image) // the kernel replays ext4's own journal here
	defer d.detach()
	d.unmount()
	if err := d.fsck(); err != nil {
		return err
	}
	d.mount()
	defer d.unmount()
	check := &failures{TB: t}
	defer func() {
		if p := recover(); p != nil {
			if err, _ = p.(error); err == nil {
				panic(p)
			}
		}
	}()
	r, err := Open(d.dir)
	if err != nil {
		return err
	}
	defer r.Close()
	oldOrNew(check, "after the cut", listing(t, d.dir), rec.old, rec.new)
	rolled, err := r.Recover(context.Background())
	if err != nil {
		return err
	}
	// What was staged by an apply of which not even the journal has got to the
	// disk is the next apply's to take away, which settled looks at.
	now := listing(t, d.dir)
	maps.DeleteFunc(now, func(p, _ string) bool { return strings.Contains(p, "/"+tempPrefix) })
	isNew := len(added(rec.new, now)) == 0
	switch isOld := len(added(rec.old, now)) == 0; {
	case !isNew && !isOld:
		return errors.New("half is old and half is new")
	case rolled.Finished && !isNew:
		return errors.New("recovery says it has finished, and has not")
	case mustBeNew && !isNew:
		return errors.New("apply had returned, and its work is lost")
	}
	if _, err := r.Apply(context.Background(), cutPlan(), Options{Now: someDay}); err != nil {
		return err
	}
	if !settled(check, "applied again", r, rec.old, rec.new) {
		return errors.New("applying again does not complete it")
	}
	return nil
}

// failures turns what would fail a test into a panic with an error.
type failures struct{ testing.TB }

func (f *failures) Helper() {}
func (f *failures) Fatalf(format string, args ...any) {
	panic(fmt.Errorf(format, args...))
}

// cuts calls do with what a power cut can leave of the record: each prefix of
// the blocks written, and for each epoch random subsets of its blocks. Blocks
// are taken singly, so a larger write may have been torn. A block after which
// a cut makes no difference to the one before is not left out.
func (rec record) cuts(rng *rand.Rand, prefixes, subsets int, do func(what string, writes []write, after int)) (nPrefix, nSubset, epochs int) {
	step := max(1, len(rec.writes)/prefixes)
	for n := 0; n <= len(rec.writes); n += step {
		do(fmt.Sprintf("the first %d of %d", n, len(rec.writes)), rec.writes[:n], n)
		nPrefix++
	}
	begin := 0
	for n := 0; n <= len(rec.writes); n++ {
		if n < len(rec.writes) && !rec.writes[n].flush {
			continue
		}
		if n > begin {
			epochs++
			for k := range subsets {
				some := append([]write{}, rec.writes[:begin]...)
				chance := rng.Float64()
				for _, w := range rec.writes[begin:n] {
					if rng.Float64() < chance {
						some = append(some, w)
					}
				}
				do(fmt.Sprintf("epoch %d, subset %d", epochs, k), some, begin)
				nSubset++
			}
		}
		begin = n + 1
	}
	return nPrefix, nSubset, epochs
}

func TestPowerCut(t *testing.T) {
	private(t)
	rec := recordApply(t, kernel{})
	image := filepath.Join(shm(t), "disk")
	bad := 0
	prefixes, subsets, epochs := rec.cuts(attack.Rand(t), 500, 20, func(what string, writes []write, after int) {
		if err := rec.check(t, image, writes, after >= rec.done); err != nil {
			t.Errorf("%s: %v", what, err)
			bad++
		}
	})
	t.Logf("attack: %d blocks and flushes recorded, %d of them until apply returned; %d prefixes and %d subsets of %d flush epochs replayed: %d not whole",
		len(rec.writes), rec.done, prefixes, subsets, epochs, bad)
	if prefixes < 500 {
		t.Errorf("only %d prefixes", prefixes)
	}
}

// A lazy system leaves out one of its syncs.
type lazy struct {
	kernel
	skip  func(n int) bool
	calls int
}

func (l *lazy) Syncfs(fd int) error {
	n := l.calls
	l.calls++
	if l.skip(n) {
		return nil
	}
	return l.kernel.Syncfs(fd)
}

// TestPowerCutNeedsBothSyncs: with either sync taken out, cuts are found that
// leave the root half done or lose what was reported as done.
func TestPowerCutNeedsBothSyncs(t *testing.T) {
	for name, skip := range map[string]func(n int) bool{
		"without the first sync":  func(n int) bool { return n < 2 }, // of two file systems
		"without the second sync": func(n int) bool { return n >= 2 },
	} {
		t.Run(name, func(t *testing.T) {
			private(t)
			sys := &lazy{skip: skip}
			rec := recordApply(t, sys)
			if sys.calls != 4 {
				t.Fatalf("%d syncs, not two of two file systems", sys.calls)
			}
			image := filepath.Join(shm(t), "disk")
			bad := map[string]int{}
			prefixes, subsets, _ := rec.cuts(rand.New(rand.NewPCG(1, 2)), 60, 4, func(what string, writes []write, after int) {
				if err := rec.check(t, image, writes, after >= rec.done); err != nil {
					line, _, _ := strings.Cut(err.Error(), "\n")
					bad[line]++
				}
			})
			t.Logf("attack: %d cuts; not whole: %v", prefixes+subsets, bad)
			if len(bad) == 0 {
				t.Error("nothing came of it, so TestPowerCut shows nothing")
			}
		})
	}
}

func shm(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "boothook-powercut-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
