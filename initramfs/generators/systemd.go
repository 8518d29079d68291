package generators

import (
	_ "embed"
	"fmt"
	"path"
	"strings"

	"boothook/initramfs/archive"
)

// systemdInit is every initrd whose PID 1 is systemd: dracut's with its
// systemd module, mkosi's, mkinitcpio's with its systemd hook.
//
// The early unit waits for nothing. The late one runs when the root is
// mounted and before initrd-parse-etc.service reads its fstab, so that new
// lines in it count.
type systemdInit struct {
	name    string
	install string
	maker   func(t *archive.Tree) bool
}

var (
	//go:embed files/systemd/boothook-early.service
	systemdEarly string
	//go:embed files/systemd/boothook-late.service
	systemdLate string
)

const initrdWants = "initrd.target.wants"

func dracutSystemd() systemdInit {
	return systemdInit{
		name:    "dracut with systemd",
		install: dracutInstall,
		maker:   isDracut,
	}
}

func anySystemd() systemdInit {
	return systemdInit{
		name:    "systemd",
		install: "make boothook bake the last step of what makes the initrd (with mkosi, a postoutput script)",
		maker:   func(*archive.Tree) bool { return true },
	}
}

func (s systemdInit) Name() string    { return s.name }
func (s systemdInit) Install() string { return s.install }

func (s systemdInit) Detect(t *archive.Tree) bool {
	_, init, err := t.Lookup(initOf(t))
	return err == nil && path.Base(init) == "systemd" && t.Has("/etc/initrd-release") && s.maker(t)
}

// units is the folder for units. What is in /usr/lib is what a vendor ships.
func (systemdInit) units(t *archive.Tree) string {
	if vendor := "/usr/lib/systemd/system"; t.Has(vendor) {
		return vendor
	}
	return "/etc/systemd/system"
}

func (s systemdInit) Calls(t *archive.Tree) ([]archive.File, error) {
	dir := s.units(t)
	var files []archive.File
	for _, unit := range systemdUnits() {
		files = append(files, text(path.Join(dir, unit.name), unit.text), archive.File{
			Name: path.Join(dir, initrdWants, unit.name),
			Mode: archive.TypeSymlink | 0o777,
			Data: []byte("../" + unit.name),
		})
	}
	return files, nil
}

type unit struct{ name, text string }

func systemdUnits() []unit {
	return []unit{{"boothook-early.service", systemdEarly}, {"boothook-late.service", systemdLate}}
}

// Check follows the links of initrd.target. A unit of the same name in /etc
// comes before ours, and a link to /dev/null there masks it.
func (s systemdInit) Check(t *archive.Tree) error {
	dir := s.units(t)
	for _, unit := range systemdUnits() {
		name := unit.name
		want := path.Join(dir, initrdWants, name)
		data, err := t.ReadFile(want)
		if err != nil {
			return fmt.Errorf("initrd.target does not want %s: %w", name, err)
		}
		if over := path.Join("/etc/systemd/system", name); dir != path.Dir(over) {
			if _, _, err := t.Lstat(over); err == nil {
				return fmt.Errorf("%s hides %s", over, path.Join(dir, name))
			}
		}
		if !strings.Contains(string(data), Agent) {
			return fmt.Errorf("%s does not call %s", name, Agent)
		}
	}
	return nil
}
