package generators

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"boothook/initramfs/archive"
)

// dracutPlain is dracut without its systemd module: its init is a shell
// script that sources every *.sh of a hook's folder, sorted by name.
//
// The early call is the first of the cmdline hook, before udevd. The late one
// is the last of pre-pivot, where mount-usr has mounted a /usr of its own and
// an overlay is in place.
type dracutPlain struct{}

var (
	//go:embed files/dracut/early.sh
	dracutEarly string
	//go:embed files/dracut/late.sh
	dracutLate string
)

const dracutInstall = "install the boothook package, whose module dracut puts into every initrd"

const (
	dracutEarlyHook = "cmdline/00-boothook-early.sh"
	dracutLateHook  = "pre-pivot/99-boothook-late.sh"
	dracutLib       = "/lib/dracut-lib.sh"
)

func isDracut(t *archive.Tree) bool {
	return t.Has(dracutLib) || t.Has("/usr/lib/dracut-lib.sh")
}

func (dracutPlain) Name() string { return "dracut" }

func (dracutPlain) Install() string {
	return dracutInstall
}

func (dracutPlain) Detect(t *archive.Tree) bool {
	head, err := t.ReadFile(initOf(t))
	return err == nil && strings.HasPrefix(string(head), "#!") && isDracut(t)
}

// hooks is the folder of hooks, as dracut's own library names it:
// /lib/dracut/hooks, or since dracut-ng 104 /var/lib/dracut/hooks.
func (dracutPlain) hooks(t *archive.Tree) (string, error) {
	lib, err := t.ReadFile(dracutLib)
	if errors.Is(err, fs.ErrNotExist) {
		lib, err = t.ReadFile("/usr" + dracutLib)
	}
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(lib)) {
		value, ok := strings.CutPrefix(strings.TrimSpace(line), "hookdir=")
		if !ok {
			continue
		}
		dir := strings.Trim(value, `"'`)
		if strings.HasPrefix(dir, "/") && !strings.ContainsAny(dir, "$ `") {
			return dir, nil
		}
	}
	return "", fmt.Errorf("%s does not say where the hooks are (hookdir=)", dracutLib)
}

func (d dracutPlain) Calls(t *archive.Tree) ([]archive.File, error) {
	dir, err := d.hooks(t)
	if err != nil {
		return nil, err
	}
	return []archive.File{
		script(path.Join(dir, dracutEarlyHook), dracutEarly),
		script(path.Join(dir, dracutLateHook), dracutLate),
	}, nil
}

func (d dracutPlain) Check(t *archive.Tree) error {
	dir, err := d.hooks(t)
	if err != nil {
		return err
	}
	for _, hook := range []string{dracutEarlyHook, dracutLateHook} {
		data, err := t.ReadFile(path.Join(dir, hook))
		if err != nil {
			return err
		}
		if !strings.Contains(string(data), Agent) {
			return fmt.Errorf("%s does not call %s", hook, Agent)
		}
	}
	return nil
}
