package network

import (
	"strings"

	"boothook/injector/plan"
)

// renameFile holds udev's rules that give hardware its names. It stands behind
// 75-net-description.rules, which finds out what systemd would call it, and
// before 80-net-setup-link.rules, which calls it so; a name that a rule has
// given stays. A .link file alone does not rename what was renamed before, in
// the initrd (systemd issue 9006), nor know systemd's names.
const renameFile = "/etc/udev/rules.d/79-cloud-init-net.rules"

// renames are the rules for all links that have a new name.
func renames(all links) []plan.Step {
	t := &text{}
	t.WriteString(heading)
	n := 0
	for _, l := range all {
		said := l.said
		name := said.get("set-name")
		if name == "" || name == said.get("match.name") {
			continue
		}
		start := `SUBSYSTEM=="net", ACTION=="add", `
		drivers := strings.Fields(said.get("match.driver"))
		if len(drivers) == 0 {
			// Not what has no hardware: a vlan has its parent's address.
			drivers = []string{"?*"}
		}
		start += `DRIVERS=="` + strings.Join(drivers, "|") + `", `
		if mac := said.get("match.macaddress"); mac != "" {
			start += `ATTR{address}=="` + mac + `", `
		}
		end := `NAME="` + name + "\"\n"
		if match := said.get("match.name"); match != "" {
			for _, by := range []string{"KERNEL", "ENV{ID_NET_NAME_ONBOARD}", "ENV{ID_NET_NAME_SLOT}", "ENV{ID_NET_NAME_PATH}"} {
				t.WriteString(start + by + `=="` + match + `", ` + end)
			}
		} else {
			t.WriteString(start + end)
		}
		n++
	}
	if n == 0 {
		return nil
	}
	return []plan.Step{t.step(renameFile, 0o644)}
}
