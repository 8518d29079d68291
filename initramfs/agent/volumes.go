package agent

import (
	"io"
	"os"

	"boothook/netboot/source"
	"boothook/netboot/volume"
)

// devices is where device nodes are.
const devices = "/dev"

// bakedSeed is a seed that bake has put into the initrd.
const bakedSeed = "/etc/boothook/seed"

// scan looks at the volumes that are there now. Behind them comes what was
// baked in: a volume that somebody attached to this machine is meant for it.
func (e *Env) scan() []volume.Found {
	// A machine whose block devices cannot be listed has no volumes.
	found, _ := volume.Scan(e.Sysfs, e.initrd(devices), source.IsSeedLabel)
	if e.has(bakedSeed) && !e.ByHand {
		baked := volume.Volume{Type: "initrd", Label: source.SeedLabel, FS: os.DirFS(e.initrd(bakedSeed))}
		found = append(found, volume.Found{Volume: baked, Device: bakedSeed, Closer: io.NopCloser(nil)})
	}
	return found
}

// labels are those of the volumes that are there now.
func (e *Env) labels() []string {
	var labels []string
	for _, v := range e.scan() {
		labels = append(labels, v.Label)
		v.Close()
	}
	return labels
}

// volumes are those that are there now, for sources to read until they are
// closed.
func (e *Env) volumes() (volumes []source.Volume, closeAll func()) {
	found := e.scan()
	for i := range found {
		volumes = append(volumes, source.Volume{Label: found[i].Label, FS: found[i].FS, Baked: found[i].Device == bakedSeed})
	}
	return volumes, func() {
		for i := range found {
			found[i].Close()
		}
	}
}
