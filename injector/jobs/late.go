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

// finalUnit runs it. After=multi-user.target together with being wanted by
// that target is no cycle: systemd leaves out a target's own After= for a
// unit that is ordered after the target. TimeoutStartSec and KillMode are
// cloud-final's: scripts may take their time and leave daemons behind.
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

// late plans the job that runs the scripts. It is there on every instance,
// since it also tells when the boot has finished.
func (b *builder) late() {
	why := plan.Why{Part: "boothook", Key: "late"}
	if len(b.VendorPrefix) > 0 {
		b.step(plan.Step{
			Kind: plan.File, Path: path.Join(b.InstanceDir, "scripts/.vendor-prefix"), Mode: 0o600,
			Body: []byte(quoteWords(b.VendorPrefix)), Why: plan.Why{Part: "cloud-config", Key: "vendor_data"},
		})
	}
	b.step(plan.Step{Kind: plan.File, Path: LateRunner, Body: lateScript, Mode: 0o755, Why: why})
	switch b.Facts.Init {
	case plan.Systemd:
		const unit = "/etc/systemd/system/boothook-final.service"
		b.step(plan.Step{Kind: plan.File, Path: unit, Body: []byte(finalUnit), Mode: 0o644, Why: why})
		b.step(plan.Step{
			Kind: plan.Link, Path: "/etc/systemd/system/multi-user.target.wants/boothook-final.service",
			Target: unit, Why: why,
		})
	default:
		b.fail(userdata.Part{Name: "boothook"}, 0, "late scripts are not started: no job for init "+string(b.Facts.Init))
	}
}

// quoteWords writes a command for the shell.
func quoteWords(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	return strings.Join(quoted, " ")
}
