// Package platform says what a machine can tell of itself without any network,
// and holds the terms in which a datasource says which machines it serves.
//
// Evidence is what firmware, hypervisor, volume labels and the kernel's command
// line say. Read gathers the part that sysfs holds; the caller adds labels and
// kernel words, because only the caller knows when they are there. A Rule says
// whether Evidence identifies a platform. The rules themselves stand with the
// datasources, in package source, whose Detect makes Matches of them.
package platform

// Evidence is all that rules look at.
type Evidence struct {
	// DMI holds the firmware's strings by their name in /sys/class/dmi/id,
	// without trailing white space. Absent and empty mean the same.
	DMI map[string]string
	// HypervisorUUID is /sys/hypervisor/uuid, which Xen guests have.
	HypervisorUUID string
	// OEM holds the firmware's OEM strings (SMBIOS type 11).
	OEM []string
	// FWCfg names the files below opt/boothook that QEMU's fw_cfg device
	// offers; the kernel shows them once the module qemu_fw_cfg is loaded.
	FWCfg []string
	// GuestInfo names the variables of interest that VMware's hypervisor
	// keeps for this machine.
	GuestInfo []string
	// Labels are the file system labels of the volumes present.
	Labels []string
	// Words are the words of the kernel's command line, KEY or KEY=VALUE. They
	// may hold passwords.
	Words []string
	// CloudConfig is the YAML that stands in the command line as
	// "cc: … end_cc".
	CloudConfig string
	// Only, when not empty, names the sources to use, in this order
	// (boothook.source=): nothing else is considered, and no rule has to hold.
	Only []string
}

// A Match is one datasource that serves this machine.
type Match struct {
	// Source is the datasource's name: "ec2", "nocloud".
	Source string
	// Platform is the cloud or hypervisor: "aws", "brightbox". Empty where
	// the evidence does not say, as when a kernel word names the source.
	Platform string
	// HardwareID is what identifies this very machine offline, as NAME=VALUE:
	// "product_uuid=ec2e1916-…". Empty where the platform has none.
	HardwareID string
	// Because is the reason for the match, for the report.
	Because string
	// Rooted says that the documents lie in the root, all that there are.
	Rooted bool
	// Settings are what the root's configuration says of the source, as YAML.
	// They may hold secrets.
	Settings string
}
