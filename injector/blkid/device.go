package blkid

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// MaxDevices bounds how many block devices are looked at.
const MaxDevices = 1024

// A Device is a block device by all the names that root= and fstab(5) have
// for it.
type Device struct {
	Super
	PartUUID, PartLabel string
}

// Names lists the block devices that sysfs, mounted on sys, has: all but
// RAM disks, and floppy and CD drives, because merely opening an empty one can
// take seconds. It gives at most MaxDevices.
func Names(sys string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(sys, "class/block"))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries[:min(len(entries), MaxDevices)] {
		switch kind := strings.TrimRight(e.Name(), "0123456789"); kind {
		case "ram", "zram", "fd", "sr":
		default:
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Node is where the node of a device is below dev ("/dev"); sysfs writes "!"
// for a slash.
func Node(dev, name string) string {
	return filepath.Join(dev, strings.ReplaceAll(name, "!", "/"))
}

// Describe reads what a device of Names is. What cannot be read is empty.
func Describe(sys, dev, name string) *Device {
	d := &Device{}
	if f, err := os.Open(Node(dev, name)); err == nil {
		d.Super, _ = Probe(f)
		f.Close()
	}
	dir := filepath.Join(sys, "class/block", name)
	number, err := os.ReadFile(dir + "/partition")
	if err != nil {
		return d
	}
	link, err := os.Readlink(dir) // …/block/vda/vda1
	if err != nil {
		return d
	}
	for _, p := range table(sys, dev, filepath.Base(filepath.Dir(link))) {
		if strconv.Itoa(p.Number) == strings.TrimSpace(string(number)) {
			d.PartUUID, d.PartLabel = p.UUID, p.Label
		}
	}
	return d
}

// table reads a disk's partitions; nil if it has none.
func table(sys, dev, disk string) []Partition {
	f, err := os.Open(Node(dev, disk))
	if err != nil {
		return nil
	}
	defer f.Close()
	sector := int64(512)
	if text, err := os.ReadFile(filepath.Join(sys, "class/block", disk, "queue/logical_block_size")); err == nil {
		sector, _ = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 32) // 0 is refused
	}
	parts, _ := Partitions(f, sector)
	return parts
}

// Is says whether the device is what TAG=VALUE means. Case does not count in
// UUIDs.
func (d *Device) Is(tag, value string) bool {
	switch tag {
	case "UUID":
		return strings.EqualFold(d.UUID, value)
	case "LABEL":
		return d.Label == value
	case "PARTUUID":
		return strings.EqualFold(d.PartUUID, value)
	case "PARTLABEL":
		return d.PartLabel == value
	}
	return false
}
