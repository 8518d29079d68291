package generators

import (
	_ "embed"
	"strings"
)

// What an installed boothook gives a generator's own hooks to read lies in
// files/ with the rest, and is installed by scripts/release: the hook of
// initramfs-tools, the module of dracut, settings.sh by which both bring
// /etc/boothook into the initrd, and two files for that folder.

// Installed is the generator that MarkAt names in an initrd into which the
// installed package has put the agent.
const Installed = "package"

//go:embed files/modules
var moduleList string

// Modules are the kernel modules that an initrd is to have or to be given: the
// network cards, the most usual first, and what else is needed for user-data.
func Modules() (cards, others []string) {
	for section := range strings.SplitSeq(moduleList, "\n\n") {
		var names []string
		for line := range strings.Lines(section) {
			if !strings.HasPrefix(line, "#") {
				names = append(names, strings.Fields(line)...)
			}
		}
		if cards == nil {
			cards = names
		} else {
			others = append(others, names...)
		}
	}
	return cards, others
}
