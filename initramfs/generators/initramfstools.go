package generators

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"boothook/initramfs/archive"
)

// initramfsTools is Debian's and Ubuntu's generator. Its init runs what the
// ORDER file of a stage lists, and nothing else; a stage without scripts has
// neither a folder nor an ORDER file.
//
// The early call is the first of init-top, before udevd starts. The late call
// is in init-bottom: the root is final only after overlayroot, and /dev moves
// away in udev's script. It is never in local-bottom, where growroot unmounts
// the root.
//
// An installed boothook comes to the same places by a hook of mkinitramfs,
// which makes the ORDER files with tsort(1): scripts that wait for no other
// come in the order of their names there. Hence the names of ours.
type initramfsTools struct{}

var (
	//go:embed files/initramfs-tools/early
	initramfsToolsEarly string
	//go:embed files/initramfs-tools/late
	initramfsToolsLate string
)

const (
	initTop    = "/scripts/init-top"
	initBottom = "/scripts/init-bottom"
	orderFile  = "/ORDER"
	ownEarly   = initTop + "/00-boothook"
	ownLate    = initBottom + "/u-boothook" // behind overlayroot, before udev
	// orderTail follows every script in an ORDER file: what the script
	// wrote for those behind it.
	orderTail = "[ -e /conf/param.conf ] && . /conf/param.conf\n"
)

func (initramfsTools) Name() string { return "initramfs-tools" }

func (initramfsTools) Install() string {
	return "install the boothook package, whose hook runs in every update-initramfs"
}

func (initramfsTools) Detect(t *archive.Tree) bool {
	return t.Has("/init") && t.Has("/scripts/functions") && t.Has("/conf/initramfs.conf")
}

func (initramfsTools) Calls(t *archive.Tree) ([]archive.File, error) {
	top, err := readOrder(t, initTop)
	if err != nil {
		return nil, err
	}
	bottom, err := readOrder(t, initBottom)
	if err != nil {
		return nil, err
	}
	top = insertCall(top, 0, ownEarly)
	bottom = insertCall(bottom, lateLine(bottom), ownLate)
	return []archive.File{
		script(ownEarly, initramfsToolsEarly),
		text(initTop+orderFile, strings.Join(top, "")),
		script(ownLate, initramfsToolsLate),
		text(initBottom+orderFile, strings.Join(bottom, "")),
	}, nil
}

// readOrder gives the lines of a stage's ORDER file, each with its newline.
func readOrder(t *archive.Tree, stage string) ([]string, error) {
	data, err := t.ReadFile(stage + orderFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	text := string(data)
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return slices.Collect(strings.Lines(text)), nil
}

func insertCall(lines []string, at int, name string) []string {
	return slices.Insert(slices.Clone(lines), at, name+" \"$@\"\n", orderTail)
}

// lateLine is the line of init-bottom's ORDER before which the late call
// goes: that of udev, or, if overlayroot comes later, the one behind it.
func lateLine(lines []string) int {
	at := len(lines)
	if i := callOf(lines, initBottom+"/udev"); i >= 0 {
		at = i
	}
	if i := callOf(lines, initBottom+"/overlayroot"); i >= at {
		at = i + 1
		if at < len(lines) && lines[at] == orderTail {
			at++
		}
	}
	return at
}

// callOf is the line that runs a script, or -1.
func callOf(lines []string, name string) int {
	return slices.IndexFunc(lines, func(line string) bool {
		fields := strings.Fields(line)
		return len(fields) > 0 && fields[0] == name
	})
}

func (initramfsTools) Check(t *archive.Tree) error {
	for stage, own := range map[string]string{initTop: ownEarly, initBottom: ownLate} {
		lines, err := readOrder(t, stage)
		if err != nil {
			return err
		}
		at := callOf(lines, own)
		if at < 0 {
			return fmt.Errorf("%s%s does not list %s", stage, orderFile, own)
		}
		if stage == initBottom && callOf(lines, initBottom+"/udev") >= 0 && at > callOf(lines, initBottom+"/udev") &&
			callOf(lines, initBottom+"/overlayroot") < 0 {
			return fmt.Errorf("%s%s calls %s after udev, when /dev is gone", stage, orderFile, own)
		}
		if err := executable(t, own); err != nil {
			return err
		}
		data, err := t.ReadFile(own)
		if err != nil {
			return err
		}
		if !strings.Contains(string(data), Agent) {
			return fmt.Errorf("%s does not call %s", own, Agent)
		}
	}
	return nil
}
