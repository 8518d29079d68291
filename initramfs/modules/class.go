package modules

import (
	"os"
	"slices"
	"strings"
)

// A Class is a sort of device.
type Class string

// The classes that a boot can need.
const (
	Network Class = "network"
	Storage Class = "storage"
)

// buses are the directories of /sys/bus that are looked at. USB is not among
// them: its network adapters announce no class of their own, and no cloud or
// server boots from one.
var buses = [...]string{"pci", "virtio", "vmbus", "xen", "acpi", "platform", "scsi"}

// classPrefixes tells classes by the beginning of a modalias.
var classPrefixes = [...]struct {
	prefix string
	class  Class
}{
	{"virtio:d00000001v", Network},                      // linux/virtio_ids.h
	{"virtio:d00000002v", Storage},                      // block
	{"virtio:d00000008v", Storage},                      // SCSI
	{"virtio:d0000001Av", Storage},                      // file system
	{"vmbus:f8615163df3e46c5913ff2d2f965ed0e", Network}, // linux/hyperv.h, HV_NIC_GUID
	{"vmbus:ba6163d904a14d29b60572e2ffb1dc7f", Storage}, // HV_SCSI_GUID
	{"vmbus:3241263286cb44a29b5c50d1417354f5", Storage}, // HV_IDE_GUID
	{"scsi:t-0x00", Storage},                            // scsi/scsi_proto.h: a disk,
	{"scsi:t-0x05", Storage},                            // and a CD
	{"xen:vif", Network},
	{"xen:vbd", Storage},
	{"of:Nethernet", Network},
	{"of:Nmmc", Storage},
}

// busPrefixes begin the modaliases of devices behind which others appear, of
// whatever class.
var busPrefixes = [...]string{
	"acpi:VMBUS:", "acpi:MSFT1000:", // Hyper-V
	"acpi:LNRO0005:", "of:Nvirtio_mmio", // virtio without PCI
	"vmbus:44c4f61d44444400", // HV_PCIE_GUID: devices passed through
}

// pciClasses are PCI base classes as they stand in a modalias.
var pciClasses = map[Class]string{Network: "02", Storage: "01"}

// belongs says whether a device with this modalias is of the class, or may
// bring devices of it.
func (c Class) belongs(modalias string) bool {
	if rest, ok := strings.CutPrefix(modalias, "pci:"); ok {
		_, base, ok := strings.Cut(rest, "bc") // hexadecimal digits are upper case there
		return ok && strings.HasPrefix(base, pciClasses[c])
	}
	for _, s := range classPrefixes {
		if s.class == c && strings.HasPrefix(modalias, s.prefix) {
			return true
		}
	}
	return slices.ContainsFunc(busPrefixes[:], func(s string) bool { return strings.HasPrefix(modalias, s) })
}

// driverless lists the modaliases of the class's devices that no driver has,
// sorted, without repetition. sys is where sysfs is mounted.
func (c Class) driverless(sys string) []string {
	var out []string
	for _, bus := range buses {
		devices := sys + "/bus/" + bus + "/devices/"
		entries, err := os.ReadDir(devices)
		if err != nil { // no such bus on this machine
			continue
		}
		for _, e := range entries {
			dir := devices + e.Name()
			if _, err := os.Lstat(dir + "/driver"); err == nil {
				continue
			}
			data, err := os.ReadFile(dir + "/modalias")
			if m := strings.TrimSpace(string(data)); err == nil && c.belongs(m) {
				out = append(out, m)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
