package platform

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"boothook/netboot/guestinfo"
)

// maxValue bounds one sysfs value, in bytes. SMBIOS strings are meant to be
// short, but NoCloud puts a whole seed address into the serial number.
const maxValue = 4096

// FWCfgDir is where sysfs has the files of QEMU's fw_cfg that are for us, each
// as a directory with a file "raw" in it.
const FWCfgDir = "firmware/qemu_fw_cfg/by_name/opt/boothook"

// maxFWCfg bounds their number.
const maxFWCfg = 64

// names are the DMI strings of sysfs: those that some rule looks
// at, and those that a NoCloud seed address may ask for.
var names = [...]string{
	"sys_vendor", "product_name", "product_version", "product_uuid", "product_serial",
	"chassis_asset_tag", "chassis_serial", "chassis_vendor", "chassis_version",
	"board_asset_tag", "board_name", "board_serial", "board_vendor", "board_version",
	"bios_date", "bios_vendor", "bios_version",
}

// Read gathers what sysfs, mounted at sysfs ("/sys"), says about the machine.
// What is absent or unreadable stays empty: most machines lack most of it, and
// no rule takes absence for evidence. Reading takes a fraction of a millisecond.
func Read(sysfs string) Evidence {
	ev := Evidence{DMI: map[string]string{}}
	for _, n := range names {
		if v := readValue(filepath.Join(sysfs, "class/dmi/id", n)); v != "" {
			ev.DMI[n] = v
		}
	}
	ev.HypervisorUUID = readValue(filepath.Join(sysfs, "hypervisor/uuid"))
	ev.OEM = oemStrings(readTable(filepath.Join(sysfs, "firmware/dmi/tables/DMI")))
	files, _ := os.ReadDir(filepath.Join(sysfs, FWCfgDir)) // most machines have none
	for _, f := range files[:min(len(files), maxFWCfg)] {
		ev.FWCfg = append(ev.FWCfg, f.Name())
	}
	if strings.HasPrefix(ev.DMI["sys_vendor"], "VMware") {
		ev.GuestInfo = guestVariables()
	}
	return ev
}

// guestVariables asks the hypervisor, whose answers take microseconds, which
// of the variables that concern us are set.
func guestVariables() (set []string) {
	host, err := guestinfo.Open()
	if err != nil {
		return nil // another hypervisor, or none
	}
	defer host.Close()
	for _, name := range []string{guestinfo.MetaData, guestinfo.UserData, guestinfo.VendorData, guestinfo.OVF} {
		if _, err := host.Get(name); err == nil {
			set = append(set, name)
		}
	}
	return set
}

func readValue(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	buf := make([]byte, maxValue)
	n, err := io.ReadFull(f, buf)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return ""
	}
	return strings.TrimSpace(string(buf[:n]))
}
