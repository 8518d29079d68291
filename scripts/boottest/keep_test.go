//go:build boot && inits

package boottest

import (
	"strings"
	"testing"

	"boothook/cmd/boothook/vm"
	"boothook/initramfs/report"
	"boothook/netboot/simulate"
)

// TestKeep leaves the network up for the root (boothook.net=keep), whose
// networkd has no configuration of its own: it must take the NIC over as it is,
// and renew the same lease.
func TestKeep(t *testing.T) {
	image := makeImage(t, "plain")
	w := newWorld(t, image)
	w.serveEC2(t)
	id := "i-0" + random(8)
	w.setMachine(simulate.Machine{InstanceID: id, Hostname: "kept", UserData: []byte("#cloud-boothook\n#!/bin/sh\nrm /etc/systemd/network/*\n")})
	b := w.boot(t, machine{
		initrd: image.baked, words: "boothook.net=keep", dmi: vm.EC2(id), key: w.cloud, port: 22,
		ask: map[string]string{
			"report":    "cat " + report.RunPath,
			"networkd":  "networkctl status --no-pager $(ls /sys/class/net | grep -v lo)",
			"addresses": "ip -4 -o addr show scope global",
			"journal":   "journalctl -b -u systemd-networkd --no-pager -o cat",
			"failed":    "systemctl --failed --plain --no-legend",
			"network":   "cat /run/systemd/network/*",
		},
	})
	r := decodeReport(t, b)
	if len(r.Network) != 1 {
		t.Fatalf("the network was %v", r.Network)
	}
	had := r.Network[0].Address
	if !strings.Contains(b.answer["networkd"], "/run/systemd/network/90-boothook-") || !strings.Contains(b.answer["networkd"], "configured") {
		t.Errorf("networkd has not taken the NIC over:\n%s\n%s", b.answer["networkd"], b.answer["network"])
	}
	if got := b.answer["addresses"]; strings.Count(got, "inet ") != 1 || !strings.Contains(got, "inet "+had+" ") {
		t.Errorf("the NIC has other addresses than %s:\n%s", had, got)
	}
	if b.answer["failed"] != "" {
		t.Errorf("failed units: %s", b.answer["failed"])
	}
	t.Logf("%s\n%s", b.answer["journal"], b.answer["networkd"])
}
