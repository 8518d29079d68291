package volume

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// maxDevices bounds how many block devices are looked at.
const maxDevices = 256

// A Found is a volume on a device. Close it when its files have been read.
type Found struct {
	Volume
	// Device is the device's path.
	Device string
	io.Closer
}

// Scan looks at the block devices that sysfs ("/sys") lists, by their nodes in
// dev ("/dev"), and gives those with a file system of this package whose label
// wanted accepts. It waits for nothing: devices that appear later are found by
// scanning again. Devices that cannot be read (an empty drive, a disk of
// another format) are passed over.
func Scan(sysfs, dev string, wanted func(label string) bool) ([]Found, error) {
	entries, err := os.ReadDir(filepath.Join(sysfs, "class/block"))
	if err != nil {
		return nil, err
	}
	var found []Found
	for _, e := range entries[:min(len(entries), maxDevices)] {
		if strings.HasPrefix(e.Name(), "ram") || strings.HasPrefix(e.Name(), "zram") || strings.HasPrefix(e.Name(), "fd") {
			continue
		}
		// sysfs writes "!" where the node's path has a slash.
		f, err := scanOne(filepath.Join(dev, strings.ReplaceAll(e.Name(), "!", "/")), wanted)
		if err == nil {
			found = append(found, f)
		}
	}
	return found, nil
}

// errUnwanted: the label is not one that is looked for.
var errUnwanted = errors.New("another volume")

func scanOne(path string, wanted func(string) bool) (Found, error) {
	f, err := os.Open(path)
	if err != nil {
		return Found{}, err
	}
	v, err := Open(f)
	if err == nil && !wanted(v.Label) {
		err = errUnwanted
	}
	if err != nil {
		f.Close()
		return Found{}, err
	}
	return Found{*v, path, f}, nil
}
