package platform

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// smbios is an SMBIOS table: a structure without strings, one with, the OEM
// strings, the end, and what must not be read after it.
const smbios = "\x01\x06\x00\x01ab\x00\x00" + "\x02\x05\x00\x02\x01board\x00\x00" +
	"\x0b\x05\x00\x03\x02one\x00boothook.user-data=eA==\x00\x00" + "\x7f\x04\x00\x04\x00\x00" + "\x0b\x05\x00\x05\x01no\x00\x00"

func TestOEMStrings(t *testing.T) {
	for name, tt := range map[string]struct {
		table string
		want  []string
	}{
		"whole":      {smbios, []string{"one", "boothook.user-data=eA=="}},
		"empty":      {"", nil},
		"cut":        {smbios[:30], nil},
		"no strings": {"\x0b\x05\x00\x03\x00\x00\x00", nil},
		"length 0":   {"\x0b\x00\x00\x03\x00\x00\x00", nil},
		"too long":   {"\x0b\xff\x00\x03\x00\x00\x00", nil},
	} {
		if diff := cmp.Diff(tt.want, oemStrings([]byte(tt.table))); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}

func FuzzOEMStrings(f *testing.F) {
	f.Add([]byte(smbios))
	f.Fuzz(func(t *testing.T, table []byte) {
		if n := len(oemStrings(table)); n > maxOEM {
			t.Errorf("%d strings", n)
		}
	})
}

func TestRead(t *testing.T) {
	sysfs := t.TempDir()
	put := func(name, value string) {
		p := filepath.Join(sysfs, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(value), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("class/dmi/id/sys_vendor", "Amazon EC2\n")
	put("class/dmi/id/product_name", "\n")
	put("class/dmi/id/product_serial", strings.Repeat("x", 2*maxValue))
	put("hypervisor/uuid", "ec2f58af-2dad-c57e-88c0-a81cb6084290\n")
	put("firmware/dmi/tables/DMI", smbios)
	put("firmware/qemu_fw_cfg/by_name/opt/boothook/user-data/raw", "x")
	want := Evidence{
		DMI:            map[string]string{"sys_vendor": "Amazon EC2", "product_serial": strings.Repeat("x", maxValue)},
		HypervisorUUID: "ec2f58af-2dad-c57e-88c0-a81cb6084290",
		OEM:            []string{"one", "boothook.user-data=eA=="},
		FWCfg:          []string{"user-data"},
	}
	if diff := cmp.Diff(want, Read(sysfs)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
