package pid1

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"boothook/initramfs/modules"
	"boothook/injector/blkid"
)

// What root= can ask for in vain.
var (
	errNoRoot   = errors.New("no root= among the kernel's words")
	errForm     = errors.New("no form of root= that is known")
	errAssemble = errors.New("has to be assembled first, for which this initramfs needs a program at " + assembler)
)

// assembler is a program that "boothook build --include" may put in. It is
// called as "assemble TYPE DEVICE" for each device whose content is no file
// system (blkid.LUKS, blkid.LVM, blkid.RAID), and as "assemble net ROOT TARGET"
// for a root on the network, which it has to mount.
const assembler = "/usr/lib/boothook/assemble"

// maxDevices bounds how many block devices are looked at.
const maxDevices = 1024

// A wish is what root= asks for.
type wish struct {
	// tag is UUID, LABEL, PARTUUID or PARTLABEL; "dev" for a device's path;
	// "number" for MAJOR:MINOR; "net" for what is on a network.
	tag, value string
}

// parseRoot understands root=, in the kernel's forms and in udev's.
func parseRoot(device string) (wish, error) {
	tag, value, _ := strings.Cut(device, "=")
	switch tag {
	case "UUID", "LABEL", "PARTUUID", "PARTLABEL":
		value = strings.Trim(value, `"`)
		if value == "" || tag == "PARTUUID" && strings.Contains(value, "/") { // PARTNROFF
			return wish{}, fmt.Errorf("root=%s: %w", device, errForm)
		}
		return wish{tag, value}, nil
	}
	if link, ok := strings.CutPrefix(device, "/dev/disk/by-"); ok {
		kind, name, _ := strings.Cut(link, "/")
		if kind = strings.ToUpper(kind); slices.Contains([]string{"UUID", "LABEL", "PARTUUID", "PARTLABEL"}, kind) && name != "" {
			return wish{kind, unescape(name)}, nil
		}
		return wish{}, fmt.Errorf("root=%s: %w", device, errForm)
	}
	major, minor, numbers := strings.Cut(device, ":")
	_, majorErr := strconv.ParseUint(major, 10, 12)
	_, minorErr := strconv.ParseUint(minor, 10, 20)
	switch {
	case device == "":
		return wish{}, errNoRoot
	case device == "/dev/nfs":
		return wish{"net", device}, nil
	case strings.HasPrefix(device, "/dev/"):
		return wish{"dev", filepath.Clean(device)}, nil
	case numbers && majorErr == nil && minorErr == nil:
		return wish{"number", device}, nil
	case numbers: // nfs:…, iscsi:…, nbd:…, SERVER:/PATH
		return wish{"net", device}, nil
	}
	return wish{}, fmt.Errorf("root=%s: %w", device, errForm)
}

// unescape undoes udev's \x20 in the names of links.
func unescape(name string) string {
	var out strings.Builder
	for i := 0; i < len(name); i++ {
		if strings.HasPrefix(name[i:], `\x`) && i+4 <= len(name) {
			if c, err := strconv.ParseUint(name[i+2:i+4], 16, 8); err == nil {
				out.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		out.WriteByte(name[i])
	}
	return out.String()
}

// A device is a block device as it was found.
type device struct {
	name          string // of its node in /dev
	super         blkid.Super
	parted, label string // PARTUUID and PARTLABEL
}

// is says whether it is what is wished for. Case counts in labels only.
func (d *device) is(w wish) bool {
	switch w.tag {
	case "UUID":
		return strings.EqualFold(d.super.UUID, w.value)
	case "LABEL":
		return d.super.Label == w.value
	case "PARTUUID":
		return strings.EqualFold(d.parted, w.value)
	case "PARTLABEL":
		return d.label == w.value
	}
	return false
}

// A search looks for the root device.
type search struct {
	*system
	wish    wish
	sys     string             // where sysfs is
	dev     string             // where device nodes are
	known   map[string]*device // by the name in sysfs
	strange []string           // what could be assembled, for the error
}

// find waits for the device, at most until ctx ends. Each event of a block
// device is a reason to look again.
func (s *search) find(ctx context.Context) (string, error) {
	events, err := modules.Uevents()
	if err != nil {
		return "", err
	}
	defer events.Close()
	defer context.AfterFunc(ctx, func() { events.Close() })()
	buf := make([]byte, modules.MaxUevent)
	for {
		if path, err := s.look(ctx); path != "" || err != nil {
			return path, err
		}
		for block := false; !block; {
			n, err := events.Read(buf)
			switch {
			case ctx.Err() != nil:
				return "", s.notFound()
			case errors.Is(err, unix.ENOBUFS): // events were lost
				block = true
				clear(s.known)
			case err != nil:
				return "", fmt.Errorf("read uevent: %w", err)
			default:
				block = s.concerns(buf[:n])
			}
		}
	}
}

// concerns says whether an event is of a block device, and forgets what was
// known of that.
func (s *search) concerns(event []byte) bool {
	fields := bytes.Split(event, []byte{0})
	if !slices.ContainsFunc(fields, func(f []byte) bool { return string(f) == "SUBSYSTEM=block" }) {
		return false
	}
	delete(s.known, filepath.Base(string(fields[0])))
	return true
}

// look goes through the devices that are there. One that cannot be read is
// not the root.
func (s *search) look(ctx context.Context) (string, error) {
	if path := s.direct(); path != "" {
		return path, nil
	}
	entries, err := os.ReadDir(filepath.Join(s.sys, "class/block"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("list block devices: %w", err)
	}
	for _, e := range entries[:min(len(entries), maxDevices)] {
		name := e.Name()
		if strings.HasPrefix(name, "ram") || strings.HasPrefix(name, "zram") ||
			strings.HasPrefix(name, "fd") || strings.HasPrefix(name, "sr") {
			continue // merely opening an empty drive can take seconds
		}
		d := s.known[name]
		fresh := d == nil
		if fresh {
			d = s.describe(name)
			s.known[name] = d
		}
		found := d.is(s.wish)
		if d.super.Part() {
			if fresh {
				if err := s.assemble(ctx, d, found); err != nil {
					return "", err
				}
			}
			continue
		}
		if found {
			return s.node(name), nil
		}
	}
	return "", nil
}

// direct finds a device that needs no looking into others: by its path, or by
// its number.
func (s *search) direct() string {
	switch s.wish.tag {
	case "dev":
		if info, err := os.Stat(s.wish.value); err == nil && info.Mode()&os.ModeDevice != 0 {
			return s.wish.value
		}
	case "number":
		if link, err := os.Readlink(filepath.Join(s.sys, "dev/block", s.wish.value)); err == nil {
			return s.node(filepath.Base(link))
		}
	}
	return ""
}

// node is where a device's node is; sysfs writes "!" for a slash.
func (s *search) node(name string) string {
	return filepath.Join(s.dev, strings.ReplaceAll(name, "!", "/"))
}

// describe reads what a device is. Where its content is of no interest it is
// not read.
func (s *search) describe(name string) *device {
	d := &device{name: strings.ReplaceAll(name, "!", "/")}
	if f, err := os.Open(s.node(name)); err == nil {
		d.super, _ = blkid.Probe(f) // unknown content is no root
		f.Close()
	}
	dir := filepath.Join(s.sys, "class/block", name)
	number, err := os.ReadFile(dir + "/partition")
	if err != nil || s.wish.tag != "PARTUUID" && s.wish.tag != "PARTLABEL" {
		return d
	}
	link, err := os.Readlink(dir) // …/block/vda/vda1
	if err != nil {
		return d
	}
	for _, p := range s.table(filepath.Base(filepath.Dir(link))) {
		if strconv.Itoa(p.Number) == strings.TrimSpace(string(number)) {
			d.parted, d.label = p.UUID, p.Label
		}
	}
	return d
}

// table reads a disk's partitions.
func (s *search) table(disk string) []blkid.Partition {
	f, err := os.Open(s.node(disk))
	if err != nil {
		return nil
	}
	defer f.Close()
	sector := int64(512)
	if text, err := os.ReadFile(filepath.Join(s.sys, "class/block", disk, "queue/logical_block_size")); err == nil {
		sector, _ = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 32) // 0 is refused
	}
	table, _ := blkid.Partitions(f, sector) // a disk without a table has none
	return table
}

// assemble hands a device that is no file system to the program that can make
// one of it; its devices come as events. Without such a program a root that
// is just this device will never come.
func (s *search) assemble(ctx context.Context, d *device, root bool) error {
	if _, err := os.Stat(assembler); err == nil {
		return s.runAssembler(ctx, d.super.Type, s.node(d.name))
	}
	s.strange = append(s.strange, d.name+" ("+d.super.Type+")")
	if root {
		return fmt.Errorf("the root device %s is a %s, which %w", d.name, d.super.Type, errAssemble)
	}
	return nil
}

// runAssembler runs it on the console; it may ask for a passphrase. Its
// failure need not be the root's.
func (s *system) runAssembler(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, assembler, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		s.log.Warnf("%s %s: %v", assembler, strings.Join(args, " "), err)
		if args[0] == "net" {
			return fmt.Errorf("root=%s: %w", args[1], err)
		}
	}
	return nil
}

// notFound says what there was instead.
func (s *search) notFound() error {
	var names []string
	for name := range s.known {
		names = append(names, name)
	}
	slices.Sort(names)
	err := fmt.Errorf("root=%s did not appear within %v; block devices: %s", s.options.Root.Device, s.options.Root.Wait, strings.Join(names, " "))
	if len(s.strange) > 0 {
		err = fmt.Errorf("%w; %s %w", err, strings.Join(s.strange, ", "), errAssemble)
	}
	return err
}
