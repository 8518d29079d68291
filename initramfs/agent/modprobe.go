package agent

import (
	"strings"

	"boothook/injector/plan"
	"boothook/netboot/instance"
)

// optionsTooLate warns of planned options for kernel modules that are loaded
// already, by the initrd, or built in: options are read when a module is
// loaded, so these count only from an initrd on that has them, too.
func optionsTooLate(sysfs string, steps []plan.Step) (warnings []instance.Problem) {
	if sysfs == "" {
		sysfs = "/sys"
	}
	for i := range steps {
		s := &steps[i]
		if s.Kind != plan.File || !strings.HasPrefix(s.Path, "/etc/modprobe.d/") {
			continue
		}
		for _, line := range strings.Split(string(s.Body), "\n") {
			f := strings.Fields(line)
			if len(f) < 3 || f[0] != "options" || strings.ContainsAny(f[1], "/.") {
				continue
			}
			module := strings.ReplaceAll(f[1], "-", "_") // as the kernel spells all of them
			if exists(sysfs + "/module/" + module) {
				p := s.Problem("the initrd has loaded " + module + " already, without these options")
				p.Warning = true
				warnings = append(warnings, p)
			}
		}
	}
	return warnings
}
