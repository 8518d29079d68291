package jobs

import (
	_ "embed"
	"path"
	"strings"

	"boothook/injector/plan"
	"boothook/injector/userdata"
)

//go:embed late.sh
var lateScript []byte

// LateRunner is the shell script that runs the late scripts.
const LateRunner = "/var/lib/boothook/late"

// finalUnit starts it under systemd. After=multi-user.target together with
// being wanted by that target is no cycle: systemd leaves out a target's own
// After= for a unit that is ordered after the target. TimeoutStartSec and
// KillMode are cloud-final's: scripts may take their time and leave daemons
// behind.
const finalUnit = `# Written by boothook: the late scripts of this machine's user-data.
[Unit]
Description=Late scripts of user-data (boothook)
Documentation=file:` + LateRunner + `
Wants=network-online.target
After=network-online.target multi-user.target
RequiresMountsFor=/var/lib/cloud /var/lib/boothook
ConditionPathExists=/var/lib/cloud/instance

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh ` + LateRunner + `
TimeoutStartSec=infinity
TasksMax=infinity
KillMode=process
StandardOutput=journal+console
StandardError=inherit

[Install]
WantedBy=multi-user.target
`

// finalJob starts it under upstart, when the last script of the runlevel has
// ended.
const finalJob = `# Written by boothook: the late scripts of this machine's user-data.
description "late scripts of user-data (boothook)"
start on stopped rc RUNLEVEL=[2345]
task
console output
exec /bin/sh ` + LateRunner + `
`

// finalOpenRC starts it under OpenRC, behind all else in the runlevel. It needs
// nothing by name: Debian's services are called otherwise than Gentoo's.
const finalOpenRC = `#!/sbin/openrc-run
# Written by boothook: the late scripts of this machine's user-data.
description="late scripts of user-data (boothook)"
depend() {
	use net
	after *
}
start() {
	ebegin "Running the late scripts of user-data"
	/bin/sh ` + LateRunner + `
	eend $?
}
`

// finalRunit starts it under runit, which has no order of its own. When the
// scripts have failed, "sv status" says that the service is down and "normally
// up"; else the file "down" that makes it normally down is there, a link to
// runitDone, and at the next boot it is not.
const finalRunit = `#!/bin/sh
# Written by boothook: the late scripts of this machine's user-data.
` + awaitOthers + `/bin/sh ` + LateRunner + ` </dev/null >/dev/console 2>&1 && : >` + runitDone + `
exec sv down "$PWD"
`

const runitDone = "/run/boothook/succeeded"

// finalSysvinit says how it went, to "service boothook-final status". No
// runlevel has it: inittab starts the scripts, behind all of a runlevel.
const finalSysvinit = `#!/bin/sh
### BEGIN INIT INFO
# Provides:          boothook-final
# Required-Start:
# Required-Stop:
# Default-Start:
# Default-Stop:
# Short-Description: late scripts of user-data, started by inittab
### END INIT INFO
# Written by boothook.
case "$1" in
start) exec /bin/sh ` + LateRunner + ` ;;
status)
	failed=$(sed -n 's/.*"finished","exit":\([0-9]*\).*/\1/p' /run/boothook/late | tail -n 1)
	case "$failed" in
	'') echo "late scripts have not finished"; exit 3 ;;
	0) echo "late scripts have finished" ;;
	*) echo "$failed late scripts failed"; exit 1 ;;
	esac
	;;
*) echo "usage: $0 start|status" >&2; exit 2 ;;
esac
`

// finalInittab starts it under sysvinit and BusyBox: entries behind those
// that are waited for, such as the runlevel's scripts, start after them.
const finalInittab = "/bin/sh " + LateRunner + " </dev/null >/dev/console 2>&1"

// busyboxInittab is what BusyBox's init does where there is no inittab; with
// one it does nothing that is not in it.
const busyboxInittab = `::sysinit:/etc/init.d/rcS
::askfirst:-/bin/sh
tty2::askfirst:-/bin/sh
tty3::askfirst:-/bin/sh
tty4::askfirst:-/bin/sh
::ctrlaltdel:reboot
::shutdown:swapoff -a
::shutdown:umount -a -r
::restart:init
`

// late plans the job that runs the scripts. It is there on every instance,
// since it also tells when the boot has finished.
func (b *builder) late() {
	why := plan.Why{Part: "boothook", Key: "late"}
	if len(b.VendorPrefix) > 0 {
		b.step(&plan.Step{
			Kind: plan.File, Path: path.Join(b.InstanceDir, "scripts/.vendor-prefix"), Mode: 0o600,
			Body: []byte(quoteWords(b.VendorPrefix)), Why: plan.Why{Part: "cloud-config", Key: "vendor_data"},
		})
	}
	b.step(&plan.Step{Kind: plan.File, Path: LateRunner, Body: lateScript, Mode: 0o755, Why: why})
	steps := lateSteps(b.Facts.Init)
	if steps == nil {
		b.fail(&userdata.Part{Name: "boothook"}, 0, "late scripts are not started: no job for init "+string(b.Facts.Init))
	}
	for _, s := range steps {
		s.Why = why
		b.stepOnce(&s)
	}
}

// lateSteps is the job for each init, and how that init is told to start it.
func lateSteps(init plan.Init) []plan.Step {
	file := func(path, body string, mode uint32) plan.Step {
		return plan.Step{Kind: plan.File, Path: path, Body: []byte(body), Mode: mode}
	}
	link := func(path, target string) plan.Step {
		return plan.Step{Kind: plan.Link, Path: path, Target: target}
	}
	switch init {
	case plan.Systemd:
		const unit = systemdUnits + "/boothook-final.service"
		return []plan.Step{file(unit, finalUnit, 0o644), link(systemdUnits+"/multi-user.target.wants/boothook-final.service", unit)}
	case plan.Upstart:
		return []plan.Step{file(upstartDir+"/boothook-final.conf", finalJob, 0o644)}
	case plan.OpenRC:
		const script = "/etc/init.d/boothook-final"
		return []plan.Step{file(script, finalOpenRC, 0o755), link("/etc/runlevels/default/boothook-final", script)}
	case plan.Runit:
		const dir = "/etc/sv/boothook-final"
		return []plan.Step{file(dir+"/run", finalRunit, 0o755), link(dir+"/down", runitDone), link(runitDefault+"boothook-final", dir)}
	case plan.Sysvinit:
		line := file("/etc/inittab", "bhf:2345:once:"+finalInittab+"\n", 0o644)
		line.Append = true
		return []plan.Step{line, file("/etc/init.d/boothook-final", finalSysvinit, 0o755)}
	case plan.BusyboxInit:
		defaults, line := file("/etc/inittab", busyboxInittab, 0o644), file("/etc/inittab", "::once:"+finalInittab+"\n", 0o644)
		defaults.KeepExisting, line.Append = true, true
		return []plan.Step{defaults, line}
	}
	return nil
}

// quoteWords writes a command for the shell.
func quoteWords(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	return strings.Join(quoted, " ")
}
