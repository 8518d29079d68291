//go:build boot && inits

package boottest

import (
	"context"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"boothook/cmd/boothook/vm"
	"boothook/netboot/simulate"
)

// TestEarlySysvinit is the table's part for an init without targets.
func TestEarlySysvinit(t *testing.T) {
	image := makeImage(t, "plain")
	image.disk = filepath.Join(strings.TrimSpace(run(t, "../inits/image", "sysvinit")), "sysvinit.img")
	boot := func(data []byte) map[string]string {
		w := newWorld(t, image)
		w.serveEC2(t)
		m := machine{initrd: image.baked, dmi: vm.EC2("i-0" + random(8)), port: 22}
		w.setMachine(simulate.Machine{InstanceID: m.dmi.AssetTag, UserData: data})
		ctx, cut := context.WithTimeout(t.Context(), 2*bootTimeout)
		defer cut()
		guest := w.start(ctx, t, m)
		defer func() { cut(); <-guest.Done() }() // a power cut: nothing of it is kept
		prompt, err := guest.Console.Wait(ctx, " login:")
		if err != nil {
			showEnd(t, guest)
			t.Fatal(err)
		}
		seen := map[string]string{"hostname, at the first getty": strings.TrimSpace(prompt.Text)}
		for item, form := range map[string]string{
			"runlevel": `INIT: Entering runlevel: \d`, "disabled service": `Starting OpenBSD Secure Shell server: sshd`,
			"service, enabled": `service of mine: \w+`,
		} {
			seen[item] = "none"
			for _, l := range guest.Console.Lines() {
				if found := regexp.MustCompile(form).FindString(l.Text); found != "" {
					seen[item] = found
					break
				}
			}
		}
		return seen
	}
	rows := sysvinitRows()
	with := boot(earlyUserData(rows, "{}", strings.NewReplacer()))
	checkEarly(t, rows, with, boot([]byte("#cloud-config\n{}\n")))
}
