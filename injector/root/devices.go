package root

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"boothook/injector/blkid"
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
	names, err := blkid.Names("/sys")
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if blkid.Describe("/sys", "/dev", name).Is(tag, value) {
			return blkid.Node("/dev", name), nil
		}
	}
	return "", fmt.Errorf("%w: %s", errNoDevice, spec)
}
