package platform

import (
	"strings"

	"boothook/netboot/guestinfo"
)

// A row says what identifies one source on one platform.
type row struct {
	source, platform string
	when             predicate
	hardwareID       hardwareID
}

// A predicate looks for one sign and says what it found.
type predicate func(Evidence) (because string, ok bool)

// table lists the sources in the order in which they are asked: volumes,
// which are somebody's deliberate act, then firmware signs. The signs are
// those of ds-identify (cloud-init 26.2, tools/ds-identify); a new cloud is a
// new row.
func table() []row {
	return []row{
		{"smbios", "qemu", oem("boothook."), none},
		{"fwcfg", "qemu", fwcfg, none},
		{"nocloud", "nocloud", dmi("product_serial", contains("ds=nocloud")), none},
		{"nocloud", "nocloud", label("cidata"), none},
		{"configdrive", "openstack", label("config-2"), productUUID},
		{"ibmcloud", "ibmcloud", all(hypervisorUUID(""), label("metadata")), productUUID},
		{"opennebula", "opennebula", label("context"), productUUID},
		{"ovf", "ovf", label("ovf env"), productUUID},
		{"ovf", "ovf", label("ovfenv"), productUUID},
		{"ovf", "ovf", label("ovf-transport"), productUUID},
		{"vmware", "vmware", variable(guestinfo.MetaData, guestinfo.UserData, guestinfo.VendorData), productUUID},
		{"ovf", "vmware", variable(guestinfo.OVF), productUUID},

		{"azure", "azure", dmi("chassis_asset_tag", is("7783-7084-3265-9085-8269-3286-77")), productUUID},
		{"cloudstack", "cloudstack", dmi("product_name", prefix("CloudStack")), productUUID},
		{"digitalocean", "digitalocean", dmi("sys_vendor", is("DigitalOcean")), productSerial},
		{"vultr", "vultr", dmi("sys_vendor", is("Vultr")), productUUID},
		{"vultr", "vultr", word("vultr"), productUUID},
		{"aliyun", "aliyun", dmi("product_name", is("Alibaba Cloud ECS")), productUUID},

		{"ec2", "brightbox", dmi("product_serial", suffix(".brightbox.com")), productUUID},
		{"ec2", "zstack", dmi("chassis_asset_tag", suffix(".zstack.io")), productUUID},
		{"ec2", "e24cloud", dmi("sys_vendor", is("e24cloud")), productUUID},
		{"ec2", "tilaa", dmi("sys_vendor", is("Tilaa")), productUUID},
		{"ec2", "outscale", all(dmi("product_name", is("3DS Outscale VM")), dmi("sys_vendor", is("3DS Outscale"))), productUUID},
		{"ec2", "aws", hypervisorUUID("ec2"), ec2HardwareID},
		{"ec2", "aws", dmi("product_uuid", ec2UUID), ec2HardwareID},
		{"ec2", "aws", dmi("sys_vendor", is("Amazon EC2")), ec2HardwareID},

		{"gce", "gce", dmi("product_name", is("Google Compute Engine")), productSerial},
		{"gce", "gce", dmi("product_serial", prefix("GoogleCloud-")), productSerial},
		{"openstack", "openstack", dmi("product_name", is("OpenStack Nova", "OpenStack Compute")), productUUID},
		{"openstack", "openstack", dmi("chassis_asset_tag", is("OpenTelekomCloud", "SAP CCloud VM", "HUAWEICLOUD",
			"Samsung Cloud Platform", "OpenStack Nova", "OpenStack Compute")), productUUID},
		{"smartos", "smartos", dmi("product_name", prefix("SmartDC")), productUUID},
		{"scaleway", "scaleway", dmi("sys_vendor", is("Scaleway")), productUUID},
		{"scaleway", "scaleway", word("scaleway"), productUUID},
		{"hetzner", "hetzner", dmi("sys_vendor", is("Hetzner")), productSerial},
		{"oracle", "oracle", dmi("chassis_asset_tag", is("OracleCloud.com")), productUUID},
		{"exoscale", "exoscale", dmi("product_name", prefix("Exoscale")), productUUID},
		{"upcloud", "upcloud", dmi("sys_vendor", is("UpCloud")), productUUID},
		{"nwcs", "nwcs", dmi("sys_vendor", is("NWCS")), productUUID},
		{"akamai", "akamai", dmi("sys_vendor", is("Linode", "Akamai")), productSerial},
		{"maas", "maas", word("maas"), none},
		{"cloudcix", "cloudcix", dmi("product_name", is("CloudCIX")), productUUID},
	}
}

// A test looks at one string and says whether it is the sign.
type test func(string) bool

func dmi(name string, t test) predicate {
	return func(ev Evidence) (string, bool) {
		v := ev.DMI[name]
		return name + " is " + clip(v), v != "" && t(v)
	}
}

func hypervisorUUID(start string) predicate {
	return func(ev Evidence) (string, bool) {
		return "hypervisor uuid is " + clip(ev.HypervisorUUID), ev.HypervisorUUID != "" && strings.HasPrefix(ev.HypervisorUUID, start)
	}
}

// label looks for a volume label in lower or in upper case, as the file
// systems in question store it (vfat upper, iso9660 either).
func label(name string) predicate {
	return func(ev Evidence) (string, bool) {
		for _, l := range ev.Labels {
			if l == name || l == strings.ToUpper(name) {
				return "volume label is " + l, true
			}
		}
		return "", false
	}
}

// oem looks for an OEM string that begins with prefix.
func oem(prefix string) predicate {
	return func(ev Evidence) (string, bool) {
		for _, s := range ev.OEM {
			if name, _, ok := strings.Cut(s, "="); ok && strings.HasPrefix(name, prefix) {
				return "firmware has the OEM string " + clip(name), true
			}
		}
		return "", false
	}
}

func fwcfg(ev Evidence) (string, bool) {
	return "fw_cfg has opt/boothook", len(ev.FWCfg) > 0
}

// variable looks for one of VMware's variables.
func variable(names ...string) predicate {
	return func(ev Evidence) (string, bool) {
		for _, name := range ev.GuestInfo {
			if is(names...)(name) {
				return "vmware has guestinfo." + name, true
			}
		}
		return "", false
	}
}

func word(name string) predicate {
	return func(ev Evidence) (string, bool) {
		for _, w := range ev.Words {
			if w == name {
				return "kernel word " + name, true
			}
		}
		return "", false
	}
}

func all(ps ...predicate) predicate {
	return func(ev Evidence) (string, bool) {
		var because []string
		for _, p := range ps {
			b, ok := p(ev)
			if !ok {
				return "", false
			}
			because = append(because, b)
		}
		return strings.Join(because, ", "), true
	}
}

func is(names ...string) test {
	return func(v string) bool {
		for _, n := range names {
			if v == n {
				return true
			}
		}
		return false
	}
}

func prefix(p string) test   { return func(v string) bool { return strings.HasPrefix(v, p) } }
func suffix(s string) test   { return func(v string) bool { return strings.HasSuffix(v, s) } }
func contains(s string) test { return func(v string) bool { return strings.Contains(v, s) } }

// ec2UUID reports whether a UUID is one of EC2's: it begins with "ec2", or
// with the same bytes in SMBIOS's little-endian order ("45e12aec-…" for
// "ec2ae145-…"), as Amazon's guide "Detect whether a host is an EC2 instance"
// describes.
func ec2UUID(v string) bool {
	v = strings.ToLower(v)
	first, _, ok := strings.Cut(v, "-")
	if !ok || len(first) != 8 {
		return false
	}
	return strings.HasPrefix(first, "ec2") || first[4] == '2' && first[6:] == "ec"
}

// A hardwareID reads off the evidence what tells this machine from any other, as
// NAME=VALUE; "" where there is nothing to trust.
type hardwareID func(Evidence) string

func none(Evidence) string { return "" }

func productUUID(ev Evidence) string { return field(ev, "product_uuid", realUUID) }

func productSerial(ev Evidence) string {
	if s := field(ev, "product_serial", realSerial); s != "" {
		return s
	}
	return productUUID(ev)
}

// ec2HardwareID prefers the instance-id, which Nitro's firmware gives as the
// board's asset tag.
func ec2HardwareID(ev Evidence) string {
	if s := field(ev, "board_asset_tag", prefix("i-")); s != "" {
		return s
	}
	return productUUID(ev)
}

func field(ev Evidence, name string, valid test) string {
	v := strings.ToLower(ev.DMI[name])
	if !valid(v) {
		return ""
	}
	return name + "=" + v
}

// realUUID refuses the values that careless firmware gives to every machine.
func realUUID(v string) bool {
	if len(v) != 36 || strings.Count(v, "-") != 4 {
		return false
	}
	digits := strings.ReplaceAll(v, "-", "")
	return strings.Trim(digits, digits[:1]) != "" && v != "03000200-0400-0500-0006-000700080009"
}

// realSerial likewise: serial numbers that stand for "none".
func realSerial(v string) bool {
	switch v {
	case "", "0", "none", "not specified", "system serial number", "to be filled by o.e.m.", "default string":
		return false
	}
	return true
}

// clip makes a value fit for a line of the report: short, and without what
// follows a semicolon, where NoCloud's serial number keeps addresses.
func clip(s string) string {
	const most = 80
	s, _, _ = strings.Cut(s, ";")
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
