package root

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
)

// errNoDevice says that no device is what fstab asks for.
var errNoDevice = errors.New("no such device")

// findDevice turns the first field of fstab into a device: by the links that
// udev made, or, where there is no udev, by looking at every block device.
func findDevice(spec string) (string, error) {
	if strings.HasPrefix(spec, "/dev/") {
		return spec, nil
	}
	tag, value, tagged := strings.Cut(spec, "=")
	if !tagged || strings.HasPrefix(spec, "/") {
		return "", errOtherKind
	}
	dir := map[string]string{"UUID": "by-uuid", "LABEL": "by-label", "PARTUUID": "by-partuuid", "PARTLABEL": "by-partlabel"}[tag]
	value = strings.Trim(value, `"`)
	if dir == "" || value == "" || strings.ContainsAny(value, "/\x00") {
		return "", fmt.Errorf("%w: %q", errNoDevice, spec)
	}
	link := "/dev/disk/" + dir + "/" + value
	if _, err := os.Stat(link); err == nil {
		return link, nil
	}
	names, err := os.ReadDir("/sys/class/block")
	if err != nil {
		return "", err
	}
	for _, n := range names {
		if strings.HasPrefix(n.Name(), "fd") || strings.HasPrefix(n.Name(), "sr") {
			continue // merely opening an empty drive can take seconds
		}
		if found := describeDevice(n.Name())[tag]; found == value || strings.HasSuffix(tag, "UUID") && strings.EqualFold(found, value) {
			return "/dev/" + n.Name(), nil
		}
	}
	return "", fmt.Errorf("%w: %s", errNoDevice, spec)
}

// describeDevice gives the tags of a block device as fstab has them. Those of
// the partition are what the kernel says (since Linux 6.3).
func describeDevice(name string) map[string]string {
	tags := map[string]string{}
	if uevent, err := os.ReadFile("/sys/class/block/" + name + "/uevent"); err == nil {
		for line := range strings.Lines(string(uevent)) {
			switch k, v, _ := strings.Cut(strings.TrimSpace(line), "="); k {
			case "PARTUUID":
				tags["PARTUUID"] = v
			case "PARTNAME":
				tags["PARTLABEL"] = v
			}
		}
	}
	f, err := os.Open("/dev/" + name)
	if err != nil {
		return tags
	}
	defer f.Close()
	head := make([]byte, headSize)
	n, _ := f.ReadAt(head, 0) // a short device is told by its n
	if uuid, label := identify(head[:n]); uuid != "" {
		tags["UUID"] = uuid
		if label != "" {
			tags["LABEL"] = label
		}
	}
	return tags
}

// headSize is as far as the superblocks below reach: btrfs' is the last.
const headSize = 64<<10 + 4096

// identify reads UUID and label from the beginning of an ext2, 3 or 4, XFS,
// Btrfs or FAT file system, by the kernel's fs/ext4/ext4.h,
// fs/xfs/libxfs/xfs_format.h, include/uapi/linux/btrfs_tree.h and
// include/uapi/linux/msdos_fs.h.
func identify(head []byte) (uuid, label string) {
	at := func(offset, size int) []byte {
		if offset+size > len(head) {
			return make([]byte, size)
		}
		return head[offset : offset+size]
	}
	is := func(offset int, magic string) bool { return string(at(offset, len(magic))) == magic }
	switch {
	case is(1024+56, "\x53\xef"):
		return dashed(at(1024+104, 16)), text(at(1024+120, 16))
	case is(0, "XFSB"):
		return dashed(at(32, 16)), text(at(108, 12))
	case is(64<<10+64, "_BHRfS_M"):
		return dashed(at(64<<10+32, 16)), text(at(64<<10+299, 256))
	case is(82, "FAT32"):
		return serial(at(67, 4)), fatLabel(at(71, 11))
	case is(54, "FAT1"):
		return serial(at(39, 4)), fatLabel(at(43, 11))
	}
	return "", ""
}

func dashed(b []byte) string {
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// serial is how FAT's volume id is written.
func serial(b []byte) string {
	return fmt.Sprintf("%02X%02X-%02X%02X", b[3], b[2], b[1], b[0])
}

func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}

func fatLabel(b []byte) string {
	if label := strings.TrimRight(string(b), " \x00"); label != "NO NAME" {
		return label
	}
	return ""
}
