// Package words reads the kernel's command line: text in, one options value
// per floor out. It does no I/O; the caller reads /proc/cmdline and the words
// that were baked into the initrd.
//
// A word that is unknown, or whose value makes no sense, is a warning and the
// default stands; only verify and onerror take their strictest value then,
// because their author wanted strictness. Where a word stands twice the
// later one counts. Words baked in come first and can only be tightened:
// verify=require stays, onerror does not become milder, and a baked list of
// sources can be narrowed but not left.
package words

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"boothook/netboot/instance"
)

// Defaults and bounds of the words that carry a duration.
const (
	DefaultTimeout     = 60 * time.Second
	DefaultHookTimeout = 120 * time.Second
	maxDuration        = time.Hour
)

// A Mode says whether boothook does anything at all.
type Mode string

const (
	On     Mode = "on"
	Off    Mode = "off"
	DryRun Mode = "dry-run"
)

// An OnError says what a failure does to the boot; listed from mild to strict.
type OnError string

const (
	Continue OnError = "continue"
	Shell    OnError = "shell"
	Reboot   OnError = "reboot"
	Halt     OnError = "halt"
)

var strictness = []OnError{Continue, Shell, Reboot, Halt}

// Options is the whole command line.
type Options struct {
	Mode    Mode
	OnError OnError
	Debug   bool
	Net     Net
	Source  Source
	Inject  Inject
	Root    Root
	// Warnings names the words that were not understood.
	Warnings []instance.Problem
}

// Net is for netboot/nic.
type Net struct {
	// NIC is an interface name or a MAC address; empty: all physical ones.
	// PXE names the one it booted from by BOOTIF=01-xx-xx-xx-xx-xx-xx.
	NIC string
	// VLANs are dracut's vlan=NAME:LINK, as written.
	VLANs []string
	// Proxy is dracut's proxy=, for what addresses in user-data name.
	Proxy string
	// IP is boothook.ip= as written, or plain ip= (Foreign) which belongs
	// to the initrd's own stack. Empty: DHCP.
	IP, ForeignIP string
	// Foreign says that the initrd's own stack brings up the network:
	// nfsroot=, root=/dev/nfs, boot=nfs or rd.neednet=1.
	Foreign bool
	// Keep leaves the network up at the pivot.
	Keep bool
	// Timeout is the whole budget for network and fetch.
	Timeout time.Duration
}

// Source is for netboot/source and netboot/platform.
type Source struct {
	// Names are the only sources to use, in this order; empty: detected.
	Names []string
	// Words are all words that are not boothook's own, KEY or KEY=VALUE, in
	// their order: sources look there for words by which a cloud marks its
	// machines, and for one that names a source. They may hold passwords.
	Words []string
	// URL is another place for the user-data.
	URL string
	// NetworkConfig is network-config= as written (base64 of YAML).
	NetworkConfig string
}

// Inject is for the injector.
type Inject struct {
	// HookTimeout is the budget of one hook.
	HookTimeout time.Duration
	// AgainEachBoot applies on every boot instead of once per instance.
	AgainEachBoot bool
	// RequireSigned accepts only user-data signed by a baked-in key.
	RequireSigned bool
	// KeepCloudInit leaves a cloud-init in the root as it is.
	KeepCloudInit bool
	// CloudConfig is the YAML of cc: … end_cc.
	CloudConfig string
}

// Parse reads the words that were baked in and then those of the kernel.
func Parse(baked, kernel string) Options {
	o := Options{Mode: On, OnError: Continue,
		Net:    Net{Timeout: DefaultTimeout},
		Inject: Inject{HookTimeout: DefaultHookTimeout},
		Root:   Root{Wait: DefaultRootWait, Fsck: "auto"}}
	o.read(baked, "baked-in words")
	floor := o
	o.read(kernel, "kernel command line")
	o.tighten(floor)
	return o
}

func (o *Options) read(line, origin string) {
	for _, w := range split(line) {
		if !w.own() {
			o.Source.Words = append(o.Source.Words, w.String())
		}
		if err := o.apply(w); err != nil {
			o.Warnings = append(o.Warnings, instance.Problem{
				Origin: origin, Message: err.Error(), Warning: true})
		}
	}
	if cc := cloudConfig(line); cc != "" {
		o.Inject.CloudConfig = cc
	}
}

// tighten takes back what a later word loosened.
func (o *Options) tighten(floor Options) {
	warn := func(message string) {
		o.Warnings = append(o.Warnings, instance.Problem{
			Origin: "kernel command line", Message: message, Warning: true})
	}
	if floor.Inject.RequireSigned && !o.Inject.RequireSigned {
		o.Inject.RequireSigned = true
		warn("boothook.verify=require is baked in and stays")
	}
	if slices.Index(strictness, o.OnError) < slices.Index(strictness, floor.OnError) {
		o.OnError = floor.OnError
		warn(fmt.Sprintf("boothook.onerror=%s is baked in and stays", floor.OnError))
	}
	if len(floor.Source.Names) > 0 {
		kept := slices.DeleteFunc(slices.Clone(o.Source.Names), func(n string) bool {
			return !slices.Contains(floor.Source.Names, n)
		})
		if len(kept) < len(o.Source.Names) {
			warn("boothook.source names a source outside the baked-in list, which stays")
		}
		if o.Source.Names = kept; len(kept) == 0 {
			o.Source.Names = floor.Source.Names
		}
	}
}

// apply reads one word.
func (o *Options) apply(w word) error {
	if err := o.Root.apply(w); err != nil {
		return err
	}
	switch w.key {
	case "boothook":
		return o.mode(w.value)
	case "cloud-init":
		if w.value == "disabled" {
			o.Mode = Off
		}
	case "network-config":
		o.Source.NetworkConfig = w.value
	case "ip":
		o.Net.ForeignIP = w.value
	case "BOOTIF":
		if o.Net.NIC == "" && strings.HasPrefix(w.value, "01-") { // Ethernet
			o.Net.NIC = w.value
		}
	case "vlan":
		o.Net.VLANs = append(o.Net.VLANs, w.value)
	case "proxy":
		o.Net.Proxy = w.value
	case "nfsroot":
		o.Net.Foreign = true
	case "root", "boot":
		o.Net.Foreign = o.Net.Foreign || w.value == "/dev/nfs" || w.value == "nfs"
	case "rd.neednet":
		o.Net.Foreign = w.value != "0"
	default:
		if name, ok := strings.CutPrefix(w.key, "boothook."); ok {
			return o.own(name, w.value)
		}
	}
	return nil
}

func (o *Options) mode(value string) error {
	switch m := Mode(value); m {
	case On, Off, DryRun:
		o.Mode = m
	default:
		return fmt.Errorf("boothook=%s: want on, off or dry-run", value)
	}
	return nil
}

// own reads one of the boothook.NAME words.
func (o *Options) own(name, value string) error {
	switch name {
	case "source":
		o.Source.Names = strings.FieldsFunc(value, func(r rune) bool { return r == ',' })
	case "url":
		o.Source.URL = value
	case "nic":
		o.Net.NIC = value
	case "ip":
		o.Net.IP = value
	case "timeout":
		return duration(name, value, &o.Net.Timeout)
	case "hooktimeout":
		return duration(name, value, &o.Inject.HookTimeout)
	case "net":
		return choose(name, value, &o.Net.Keep, "flush", "keep")
	case "again":
		return choose(name, value, &o.Inject.AgainEachBoot, "instance", "boot")
	case "cloud-init":
		return choose(name, value, &o.Inject.KeepCloudInit, "disable", "keep")
	case "log":
		return choose(name, value, &o.Debug, "info", "debug")
	case "verify":
		err := choose(name, value, &o.Inject.RequireSigned, "off", "require")
		if err != nil {
			o.Inject.RequireSigned = true
			return fmt.Errorf("%w; taken as require", err)
		}
	case "onerror":
		if slices.Contains(strictness, OnError(value)) {
			o.OnError = OnError(value)
			return nil
		}
		o.OnError = Halt
		return fmt.Errorf("boothook.onerror=%s: want continue, shell, reboot or halt; taken as halt", value)
	default:
		return fmt.Errorf("boothook.%s: no such word", name)
	}
	return nil
}

// choose sets *on to whether value is the second of two choices.
func choose(name, value string, on *bool, no, yes string) error {
	if value != no && value != yes {
		return fmt.Errorf("boothook.%s=%s: want %s or %s", name, value, no, yes)
	}
	*on = value == yes
	return nil
}

// duration reads "90s", "2m" or a plain number of seconds, up to an hour.
func duration(name, value string, to *time.Duration) error {
	d, err := time.ParseDuration(value)
	if err != nil {
		d, err = time.ParseDuration(value + "s")
	}
	if err != nil || d <= 0 || d > maxDuration {
		return fmt.Errorf("boothook.%s=%s: want a duration such as 90s, more than 0 and at most 1h", name, value)
	}
	*to = d
	return nil
}
