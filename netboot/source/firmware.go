package source

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"boothook/netboot/fetch"
	"boothook/netboot/instance"
	"boothook/netboot/platform"
)

// Whoever starts a virtual machine can hand it the documents of NoCloud
// without volume or network: as OEM strings of the firmware, in base64,
//
//	-smbios type=11,value=boothook.user-data=IyEvYmluL3No…
//
// or as files of QEMU's fw_cfg, as they are,
//
//	-fw_cfg name=opt/boothook/user-data,file=user-data
//
// Without an instance-id in the meta-data, the machine's UUID is that.
const oemPrefix = "boothook."

func smbios() *Source {
	return &Source{
		Name: "smbios", own: true, fetch: fetchSMBIOS, parse: parseFirmware,
		Rules: []platform.Rule{{Platform: "qemu", Given: true, Fact: platform.Fact{Of: platform.OEMString, Is: oemPrefix + "*"}}},
	}
}

// fwcfg needs a driver that nobody else loads in time.
func fwcfg() *Source {
	return &Source{
		Name: "fwcfg", own: true, fetch: fetchFWCfg, parse: parseFirmware,
		Modules: []Module{{Name: "qemu_fw_cfg", Device: "bus/acpi/devices/QEMU0002:00", Makes: "firmware/qemu_fw_cfg"}},
		Rules:   []platform.Rule{{Platform: "qemu", Given: true, Fact: platform.Fact{Of: platform.FWCfgFile, Is: "*"}}},
	}
}

func fetchSMBIOS(_ context.Context, env *Env) (Docs, error) {
	got := Docs{}
	for _, s := range env.Evidence.OEM {
		name, value, _ := strings.Cut(s, "=")
		path, ours := strings.CutPrefix(name, oemPrefix)
		if !ours {
			continue
		}
		body, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return nil, fmt.Errorf("%w: OEM string %s is not base64", ErrMalformed, name)
		}
		got[path] = body
	}
	return got, nil
}

func fetchFWCfg(_ context.Context, env *Env) (Docs, error) {
	got := Docs{}
	for _, d := range noCloudDocs() {
		body, err := readFWCfg(filepath.Join(env.Sysfs, platform.FWCfgDir, d.path))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		got[d.path] = body
	}
	return got, nil
}

// readFWCfg reads one of fw_cfg's files (Documentation/ABI/testing of the
// kernel, sysfs-firmware-qemu_fw_cfg) with as few reads as can be: for each,
// the kernel goes through the file from its beginning. Its size is not the one
// that stat(2) gives.
func readFWCfg(dir string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(dir, "size"))
	if err != nil {
		return nil, err
	}
	size, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || size > fetch.MaxDocument {
		return nil, fmt.Errorf("read %s of %q bytes: %w", dir, text, fetch.ErrTooLarge)
	}
	f, err := os.Open(filepath.Join(dir, "raw"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	body := make([]byte, size)
	if _, err := io.ReadFull(f, body); err != nil {
		return nil, fmt.Errorf("read %s: %w", dir, err)
	}
	return body, nil
}

func parseFirmware(got Docs, ev *platform.Evidence) (*instance.Instance, error) {
	meta, err := parseYAML(noCloudMeta, got[noCloudMeta])
	if err != nil {
		return nil, err
	}
	in, err := parseNoCloud(got, &platform.Evidence{})
	if err != nil {
		return nil, err
	}
	if meta.str("instance-id") == "" {
		in.ID = strings.ToLower(ev.DMI["product_uuid"])
		if in.MetaData != nil {
			in.MetaData["instance-id"] = in.ID
		}
	}
	return in, nil
}
