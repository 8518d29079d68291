//go:build net

package main

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"boothook/initramfs/report"
)

// Whoever ends the agent gets the network back as it was, and a report.
func TestEndedBySignal(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		t.Run(signal.String(), func(t *testing.T) {
			l := newLab(t)
			l.dnsmasq("unused.lab")
			root, before := l.newRoot(), l.network()
			run := filepath.Join(l.dir, "run")
			cmd := exec.Command("ip", "netns", "exec", l.client, built.Path(t, "boothook-agent"), "run", "--root", root, "--run", run,
				"--cmdline", "boothook.source=ec2 boothook.log=debug boothook.timeout=60s")
			out, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			stuck := time.AfterFunc(2*time.Minute, func() { cmd.Process.Kill() })
			defer stuck.Stop()
			leased := false
			for lines := bufio.NewScanner(out); lines.Scan(); {
				if !leased && strings.Contains(lines.Text(), "(dhcp4)") {
					leased = true
					if err := cmd.Process.Signal(signal); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := cmd.Wait(); err == nil || !cmd.ProcessState.Exited() {
				t.Errorf("ended with %v", err)
			}
			if !leased {
				t.Fatal("no lease was seen")
			}
			if after := l.network(); after != before {
				t.Errorf("the network was left as\n%s\nand found as\n%s", after, before)
			}
			r, err := report.Decode([]byte(l.read("", filepath.Join(run, "report.json"))))
			if err != nil {
				t.Fatal(err)
			}
			said := false
			for _, p := range r.Problems {
				said = said || strings.Contains(p.Message, "was ended: "+signal.String())
			}
			if r.Result != report.Failed || !said {
				t.Errorf("result %s, problems %v", r.Result, r.Problems)
			}
		})
	}
}
