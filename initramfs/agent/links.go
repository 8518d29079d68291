package agent

import (
	"fmt"
	"time"

	"boothook/initramfs/words"
	netconfig "boothook/injector/network"
	"boothook/netboot/nic"
)

// udevWait is how long a NIC waits for udevd to finish with it. Where the
// initrd has a udevd, its coldplug is over within a second or two.
const udevWait = 10 * time.Second

// A surrounding is what is around the agent as far as NICs are concerned.
type surrounding struct {
	byHand bool
	// reached says that something in the initrd is reached over the network,
	// udevd that one runs or will be started.
	reached, udevd bool
}

func (e *Env) surrounding() surrounding {
	return surrounding{
		byHand: e.ByHand,
		reached: e.has("/usr/sbin/dropbear", "/sbin/dropbear", "/usr/bin/dropbear", "/sbin/iscsistart", "/usr/sbin/iscsistart",
			"/usr/lib/dracut/hooks/cmdline", "/lib/dracut/hooks/cmdline"),
		udevd: e.has("/usr/lib/systemd/systemd-udevd", "/lib/systemd/systemd-udevd", "/sbin/udevd", "/usr/bin/udevd"),
	}
}

// links adds to what the sources want of the NICs what the kernel's words and
// the initrd say.
func links(o nic.Options, net *words.Net, networkConfig string, around surrounding) (nic.Options, error) {
	o.Only, o.Virtual = net.NIC, around.byHand
	ip := net.IP
	if !around.byHand {
		o.AdoptOnly = ip == "" && ownStack(net, around)
		if ip == "" && !o.AdoptOnly {
			ip = net.ForeignIP // nobody else obeys it
		}
		if around.udevd {
			o.UdevWait = udevWait
		}
	}
	if net.IP == "" && !o.AdoptOnly {
		describe(&o, networkConfig)
	}
	if ip != "" && len(o.Configs) == 0 {
		cfg, err := nic.ParseIP(ip)
		if err != nil {
			return o, fmt.Errorf("ip=: %w", err)
		}
		o.Configs = append(o.Configs, cfg)
	}
	for _, word := range net.VLANs {
		vlan, err := nic.ParseVLAN(word)
		if err != nil {
			return o, err
		}
		if !o.AdoptOnly {
			o.VLANs = append(o.VLANs, vlan)
		}
	}
	return o, nil
}

// ownStack says that the initrd's own network stack is at work, or will be:
// the root is on the network, or something in here is reached over it.
func ownStack(net *words.Net, around surrounding) bool {
	return net.Foreign || net.ForeignIP != "" && around.reached
}

// describe obeys network-config=, where it gives links addresses of their own
// or makes VLANs. Whatever else there is does DHCP: names may be others here
// than in the booted system. What is wrong with the word the injector says.
func describe(o *nic.Options, networkConfig string) {
	body, err := netconfig.Word(networkConfig)
	if err != nil || len(body) == 0 {
		return
	}
	doc, _ := netconfig.Read(body, "")
	for _, l := range netconfig.ForNow(doc) {
		if l.Tag != 0 {
			o.VLANs = append(o.VLANs, nic.VLAN{Name: l.Device, Over: l.Over, Tag: l.Tag})
		}
		if l.Prefix.IsValid() {
			o.Configs = append(o.Configs, nic.Config{Device: l.Device, Method: nic.MethodStatic, Prefix: l.Prefix, Gateway: l.Gateway, DNS: l.DNS, MTU: l.MTU})
		}
	}
	if len(o.Configs) > 0 {
		o.Configs = append(o.Configs, nic.Config{Method: nic.MethodDHCP})
	}
}
