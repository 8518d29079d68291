package state

import (
	"encoding/hex"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// datasource gives what cloud-init writes of its datasource, "CLASS: TEXT",
// for the source of that name; programs look for the class's name in it.
func datasource(source string) string {
	class := ""
	for _, c := range [...][2]string{
		{"akamai", "Akamai"}, {"aliyun", "AliYun"}, {"azure", "Azure"}, {"cloudcix", "CloudCIX"},
		{"cloudsigma", "CloudSigma"}, {"cloudstack", "CloudStack"}, {"configdrive", "ConfigDrive"},
		{"digitalocean", "DigitalOcean"}, {"ec2", "Ec2Local"}, {"exoscale", "Exoscale"}, {"gce", "GCELocal"},
		{"hetzner", "Hetzner"}, {"lxd", "LXD"}, {"maas", "MAAS"}, {"nocloud", "NoCloud"}, {"nwcs", "NWCS"},
		{"opennebula", "OpenNebula"}, {"openstack", "OpenStackLocal"}, {"oracle", "Oracle"}, {"ovf", "OVF"},
		{"scaleway", "Scaleway"}, {"smartos", "SmartOS"}, {"upcloud", "UpCloudLocal"}, {"vmware", "VMware"},
		{"vultr", "Vultr"},
	} {
		if c[0] == source {
			class = c[1]
		}
	}
	if class == "" {
		class = strings.ToUpper(source[:min(len(source), 1)]) + source[min(len(source), 1):]
	}
	return "DataSource" + class + ": DataSource" + class + " [boothook]"
}

// NewMachineID makes a random machine-id as systemd would: a version 4 UUID
// in 32 lower-case hexadecimal digits. It waits until the kernel's random
// numbers are good (getrandom(2)).
func NewMachineID() (string, error) {
	var id [16]byte
	for n := 0; n < len(id); {
		m, err := unix.Getrandom(id[n:], 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("make machine-id: %w", err)
		}
		n += m
	}
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return hex.EncodeToString(id[:]), nil
}
