package source

import (
	"strings"
	"testing"

	"boothook/netboot/platform"

	"github.com/google/go-cmp/cmp"
)

const uuid = "12345678-9abc-def0-1234-56789abcdef0"

func TestDetect(t *testing.T) {
	tests := []struct {
		name string
		ev   platform.Evidence
		want []string // SOURCE/PLATFORM/HARDWAREID
	}{
		{"nothing known", platform.Evidence{}, nil},
		{"plain qemu", platform.Evidence{DMI: map[string]string{"sys_vendor": "QEMU", "product_name": "Standard PC (Q35 + ICH9, 2009)", "product_uuid": uuid}}, nil},
		{"ec2 nitro", platform.Evidence{DMI: map[string]string{"sys_vendor": "Amazon EC2", "product_uuid": "ec2e1916-9099-7caf-fd21-012345abcdef", "board_asset_tag": "i-0123456789abcdef0"}},
			[]string{"ec2/aws/board_asset_tag=i-0123456789abcdef0"}},
		{"ec2 upper case", platform.Evidence{DMI: map[string]string{"product_uuid": "EC2E1916-9099-7CAF-FD21-012345ABCDEF"}},
			[]string{"ec2/aws/product_uuid=ec2e1916-9099-7caf-fd21-012345abcdef"}},
		{"ec2 byte-swapped", platform.Evidence{DMI: map[string]string{"product_uuid": "45E12AEC-DCD1-B213-94ED-012345ABCDEF"}},
			[]string{"ec2/aws/product_uuid=45e12aec-dcd1-b213-94ed-012345abcdef"}},
		{"ec2 xen", platform.Evidence{HypervisorUUID: "ec2f58af-2dad-c57e-88c0-a81cb6084290"}, []string{"ec2/aws/"}},
		{"xen but not ec2", platform.Evidence{HypervisorUUID: "12f58af0-2dad-c57e-88c0-a81cb6084290"}, nil},
		{"ec2 inside the uuid is no sign", platform.Evidence{DMI: map[string]string{"product_uuid": "0ec20000-9099-7caf-fd21-012345abcdef"}}, nil},
		{"short uuid", platform.Evidence{DMI: map[string]string{"product_uuid": "ec2"}}, nil},
		{"brightbox", platform.Evidence{DMI: map[string]string{"product_serial": "srv-otuxg.gb1.brightbox.com", "product_uuid": uuid}}, []string{"ec2/brightbox/product_uuid=" + uuid}},
		{"not brightbox", platform.Evidence{DMI: map[string]string{"product_serial": "tricky-host.bobrightbox.com"}}, nil},
		{"zstack", platform.Evidence{DMI: map[string]string{"chassis_asset_tag": "123456.zstack.io"}}, []string{"ec2/zstack/"}},
		{"e24cloud", platform.Evidence{DMI: map[string]string{"sys_vendor": "e24cloud"}}, []string{"ec2/e24cloud/"}},
		{"tilaa", platform.Evidence{DMI: map[string]string{"sys_vendor": "Tilaa"}}, []string{"ec2/tilaa/"}},
		{"outscale", platform.Evidence{DMI: map[string]string{"sys_vendor": "3DS Outscale", "product_name": "3DS Outscale VM"}}, []string{"ec2/outscale/"}},
		{"outscale needs both", platform.Evidence{DMI: map[string]string{"product_name": "3DS Outscale VM"}}, nil},
		{"gce by product", platform.Evidence{DMI: map[string]string{"product_name": "Google Compute Engine", "product_serial": "GoogleCloud-42"}}, []string{"gce/gce/product_serial=googlecloud-42"}},
		{"gce by serial", platform.Evidence{DMI: map[string]string{"product_serial": "GoogleCloud-8f2e88f"}}, []string{"gce/gce/product_serial=googlecloud-8f2e88f"}},
		{"azure", platform.Evidence{DMI: map[string]string{"chassis_asset_tag": "7783-7084-3265-9085-8269-3286-77", "product_uuid": uuid}}, []string{"azure/azure/product_uuid=" + uuid}},
		{"hyper-v elsewhere", platform.Evidence{DMI: map[string]string{"sys_vendor": "Microsoft Corporation", "chassis_asset_tag": "7783-7084"}}, nil},
		{"openstack", platform.Evidence{DMI: map[string]string{"product_name": "OpenStack Nova", "product_uuid": uuid}}, []string{"openstack/openstack/product_uuid=" + uuid}},
		{"open telekom", platform.Evidence{DMI: map[string]string{"chassis_asset_tag": "OpenTelekomCloud"}}, []string{"openstack/openstack/"}},
		{"hetzner", platform.Evidence{DMI: map[string]string{"sys_vendor": "Hetzner", "product_serial": "4711", "product_uuid": uuid}}, []string{"hetzner/hetzner/product_serial=4711"}},
		{"a serial that says nothing", platform.Evidence{DMI: map[string]string{"sys_vendor": "Hetzner", "product_serial": "Not Specified", "product_uuid": uuid}}, []string{"hetzner/hetzner/product_uuid=" + uuid}},
		{"a uuid that says nothing", platform.Evidence{DMI: map[string]string{"sys_vendor": "UpCloud", "product_uuid": "00000000-0000-0000-0000-000000000000"}}, []string{"upcloud/upcloud/"}},
		{"cidata volume", platform.Evidence{Labels: []string{"root", "CIDATA"}}, []string{"nocloud/nocloud/"}},
		{"mixed case is another label", platform.Evidence{Labels: []string{"CiData"}}, nil},
		{"config drive and nova", platform.Evidence{Labels: []string{"config-2"}, DMI: map[string]string{"product_name": "OpenStack Nova"}}, []string{"configdrive/openstack/", "openstack/openstack/"}},
		{"nocloud by serial", platform.Evidence{DMI: map[string]string{"product_serial": "ds=nocloud;s=http://u:secret@10.0.0.1/"}}, []string{"nocloud/nocloud/"}},
		{"oem strings", platform.Evidence{OEM: []string{"Intel", "boothook.user-data=c2VjcmV0"}}, []string{"smbios/qemu/"}},
		{"oem strings of others", platform.Evidence{OEM: []string{"boothook", "io.systemd.credential:x=y"}}, nil},
		{"fw_cfg", platform.Evidence{FWCfg: []string{"user-data"}}, []string{"fwcfg/qemu/"}},
		{"vmware without variables", platform.Evidence{DMI: map[string]string{"sys_vendor": "VMware, Inc.", "product_uuid": uuid}}, nil},
		{"vmware with data", platform.Evidence{GuestInfo: []string{"userdata"}, DMI: map[string]string{"product_uuid": uuid}}, []string{"vmware/vmware/product_uuid=" + uuid}},
		{"vmware with an ovf environment", platform.Evidence{GuestInfo: []string{"ovfEnv"}}, []string{"ovf/vmware/"}},
		{"scaleway by word", platform.Evidence{Words: []string{"quiet", "scaleway"}}, []string{"scaleway/scaleway/"}},
		{"vultr by word, with a value", platform.Evidence{Words: []string{"vultr=1"}}, []string{"vultr/vultr/"}},
		{"maas", platform.Evidence{CloudConfig: "{datasource_list: [MAAS]}", Words: []string{"cloud-config-url=http://u:secret@h/"}}, []string{"maas/maas/"}},
		{"maas without an address", platform.Evidence{CloudConfig: "{datasource_list: [MAAS]}"}, nil},
		{"an address without maas", platform.Evidence{CloudConfig: "{runcmd: [x]}", Words: []string{"cloud-config-url=http://h/"}}, nil},
		{"ibm", platform.Evidence{Labels: []string{"METADATA"}, HypervisorUUID: "0f8c2e1a-0000-4000-8000-000000000000"}, []string{"ibmcloud/ibmcloud/"}},
		{"what was given comes before the maker's, in the table's order", platform.Evidence{Labels: []string{"ovfenv", "config-2", "cidata"}, FWCfg: []string{"user-data"},
			GuestInfo: []string{"metadata", "ovfEnv"}, DMI: map[string]string{"sys_vendor": "Hetzner"}},
			[]string{"fwcfg/qemu/", "nocloud/nocloud/", "configdrive/openstack/", "ovf/ovf/", "vmware/vmware/", "hetzner/hetzner/"}},
		{"a name as cloud-init spells it", platform.Evidence{Words: []string{"ci.ds=NoCloudNet"}}, []string{"nocloud//"}},
		{"ds= forces", platform.Evidence{Words: []string{"ds=nocloud-net;s=http://u:secret@h/"}, DMI: map[string]string{"sys_vendor": "Hetzner", "product_uuid": uuid}}, []string{"nocloud//product_uuid=" + uuid}},
		{"ci.ds= forces and keeps the platform", platform.Evidence{Words: []string{"ci.ds=Ec2"}, DMI: map[string]string{"sys_vendor": "Amazon EC2", "product_uuid": uuid}}, []string{"ec2/aws/product_uuid=" + uuid}},
		{"the last word counts", platform.Evidence{Words: []string{"ci.datasource=GCE", "ds=ec2"}}, []string{"ec2//"}},
		{"an empty word does not", platform.Evidence{Words: []string{"ds="}}, nil},
		{"only beats everything", platform.Evidence{Only: []string{"gce", "EC2"}, Words: []string{"ds=nocloud"}, Labels: []string{"cidata"}}, []string{"gce//", "ec2//"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, m := range Detect(&tt.ev) {
				got = append(got, m.Source+"/"+m.Platform+"/"+m.HardwareID)
				if m.Because == "" {
					t.Errorf("%s: nothing said why", m.Source)
				}
				if strings.Contains(m.Because, "secret") || strings.Contains(m.Because, "c2Vj") {
					t.Errorf("%s: a password in %q", m.Source, m.Because)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestReadWithoutFirmware(t *testing.T) {
	ev := platform.Read(t.TempDir())
	if m := Detect(&ev); len(m) != 0 {
		t.Errorf("an empty sysfs was recognised: %v", m)
	}
}

func BenchmarkReadAndDetect(b *testing.B) {
	for b.Loop() {
		ev := platform.Read("/sys")
		Detect(&ev)
	}
}

func FuzzDetect(f *testing.F) {
	f.Add("ec2e1916-9099-7caf-fd21-012345abcdef", "serial", "ds=nocloud;s=x", "cidata")
	f.Fuzz(func(t *testing.T, uuid, serial, word, label string) {
		ev := platform.Evidence{DMI: map[string]string{"product_uuid": uuid, "product_serial": serial}, Words: []string{word}, Labels: []string{label}}
		for _, m := range Detect(&ev) {
			if m.Source == "" || m.Because == "" {
				t.Errorf("match without source or reason: %+v", m)
			}
		}
	})
}
