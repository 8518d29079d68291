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

// A rootSpec is the device that root= names.
type rootSpec struct {
	// tag is UUID, LABEL, PARTUUID or PARTLABEL; "dev" for a device's path;
	// "number" for MAJOR:MINOR; "net" for what is on a network.
	tag, value string
}

// parseRoot understands root=, in the kernel's forms and in udev's.
func parseRoot(device string) (rootSpec, error) {
	tag, value, _ := strings.Cut(device, "=")
	switch tag {
	case "UUID", "LABEL", "PARTUUID", "PARTLABEL":
		value = strings.Trim(value, `"`)
		if value == "" || tag == "PARTUUID" && strings.Contains(value, "/") { // PARTNROFF
			return rootSpec{}, fmt.Errorf("root=%s: %w", device, errForm)
		}
		return rootSpec{tag, value}, nil
	}
	if link, ok := strings.CutPrefix(device, "/dev/disk/by-"); ok {
		kind, name, _ := strings.Cut(link, "/")
		if kind = strings.ToUpper(kind); slices.Contains([]string{"UUID", "LABEL", "PARTUUID", "PARTLABEL"}, kind) && name != "" {
			return rootSpec{kind, unescape(name)}, nil
		}
		return rootSpec{}, fmt.Errorf("root=%s: %w", device, errForm)
	}
	major, minor, numbers := strings.Cut(device, ":")
	_, majorErr := strconv.ParseUint(major, 10, 12)
	_, minorErr := strconv.ParseUint(minor, 10, 20)
	switch {
	case device == "":
		return rootSpec{}, errNoRoot
	case device == "/dev/nfs":
		return rootSpec{"net", device}, nil
	case strings.HasPrefix(device, "/dev/"):
		return rootSpec{"dev", filepath.Clean(device)}, nil
	case numbers && majorErr == nil && minorErr == nil:
		return rootSpec{"number", device}, nil
	case numbers: // nfs:…, iscsi:…, nbd:…, SERVER:/PATH
		return rootSpec{"net", device}, nil
	}
	return rootSpec{}, fmt.Errorf("root=%s: %w", device, errForm)
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

// A search looks for the root device.
type search struct {
	*system
	spec    rootSpec
	sys     string                   // where sysfs is
	dev     string                   // where device nodes are
	known   map[string]*blkid.Device // by the name in sysfs
	handed  map[string]bool          // what was given to the assembler, once
	strange []string                 // what it would have been, for the error
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

// look goes through the devices that are there.
func (s *search) look(ctx context.Context) (string, error) {
	if path := s.direct(); path != "" {
		return path, nil
	}
	names, err := blkid.Names(s.sys)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("list block devices: %w", err)
	}
	for _, name := range names {
		d := s.known[name]
		if d == nil {
			d = blkid.Describe(s.sys, s.dev, name)
			s.known[name] = d
		}
		found := d.Is(s.spec.tag, s.spec.value)
		if d.Part() {
			if err := s.assemble(ctx, name, d.Type, found); err != nil {
				return "", err
			}
			continue
		}
		if found {
			return blkid.Node(s.dev, name), nil
		}
	}
	return s.direct(), nil // an assembler may have made a link
}

// direct finds a device that needs no looking into others: by its path, or by
// its number.
func (s *search) direct() string {
	switch s.spec.tag {
	case "dev":
		if info, err := os.Stat(s.spec.value); err == nil && info.Mode()&os.ModeDevice != 0 {
			return s.spec.value
		}
	case "number":
		if link, err := os.Readlink(filepath.Join(s.sys, "dev/block", s.spec.value)); err == nil {
			return blkid.Node(s.dev, filepath.Base(link))
		}
	}
	return ""
}

// assemble hands a device that is no file system to the program that can make
// one of it; its devices come as events. Without such a program a root that
// is just this device will never come.
func (s *search) assemble(ctx context.Context, name, kind string, root bool) error {
	if s.handed[name] {
		return nil
	}
	s.handed[name] = true
	if _, err := os.Stat(assembler); err == nil {
		return s.runAssembler(ctx, kind, blkid.Node(s.dev, name))
	}
	s.strange = append(s.strange, name+" ("+kind+")")
	if root {
		return fmt.Errorf("the root device %s is a %s, which %w", name, kind, errAssemble)
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
