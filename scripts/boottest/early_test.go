//go:build boot

package boottest

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boothook/cmd/boothook/vm"
	"boothook/initramfs/report"
	"boothook/netboot/simulate"
)

const (
	// earlyPort is where the table's user-data puts sshd.
	earlyPort = 2222
	// promptTime bounds the wait for one word of the serial console.
	promptTime = bootTimeout
	// patience lets systemd wait for the console's device, and for all else,
	// as long as an emulated machine needs that has to share its host.
	patience = "systemd.default_device_timeout_sec=600 systemd.default_timeout_start_sec=600"
)

// The image's own witness: it is there with and without user-data, and notes
// what holds when sysinit.target has been reached and no service has started.
const (
	witnessUnit = `[Unit]
DefaultDependencies=no
After=sysinit.target
Before=basic.target
[Service]
Type=oneshot
ExecStart=/bin/sh /etc/witness
`
	witnessWant = "[Unit]\nWants=witness.service\n"
)

// tooLate is what cannot be obeyed, and has to be a warning.
var tooLate = write("/etc/modprobe.d/late.conf", "options virtio_net napi_tx=0")

// TestEarly is the table of what the first boot obeys already: one boot with
// the user-data of all rows, and one of the same image without.
func TestEarly(t *testing.T) {
	image := makeImage(t, "plain")
	with := earlyBoot(t, image, true)
	without := earlyBoot(t, image, false)
	checkEarly(t, earlyRows(), with.seen, without.seen)
	told := false
	for _, p := range with.report.Problems {
		if p.Warning && strings.Contains(p.Message, "has loaded virtio_net already") {
			told = true
			continue
		}
		t.Errorf("problem: %s", p)
	}
	if !told {
		t.Error("no warning of options for a module that the initrd has loaded")
	}
}

// checkEarly compares what two boots showed with the table, and prints it.
func checkEarly(t *testing.T, rows []earlyRow, with, without map[string]string) {
	for _, r := range rows {
		t.Run(r.item, func(t *testing.T) {
			if got := with[r.item]; got != r.want {
				t.Errorf("the first boot shows %q, want %q", got, r.want)
			}
			if got := without[r.item]; got != r.without {
				t.Errorf("without user-data it shows %q, want %q", got, r.without)
			}
		})
	}
	t.Logf("what was seen:\n%s", earlyTable(rows, with, without))
}

// An earlySight is what one boot showed, by item.
type earlySight struct {
	seen   map[string]string
	report *report.Report
}

// earlyBoot boots a fresh copy of the image as a new instance.
func earlyBoot(t *testing.T, i image, order bool) *earlySight {
	t.Helper()
	w := newWorld(t, i)
	w.serveEC2(t)
	w.letIn(t)
	check(t, w.root.WriteFile(t.Context(), "/root/.ssh/authorized_keys", []byte(w.seed.Public+"\n"), 0o600, 0, 0))
	witness, asks := "", map[string]string{"report": "cat " + report.RunPath}
	for n, r := range earlyRows() {
		name := fmt.Sprintf("/run/witness-%d", n)
		if r.at != "" {
			witness += "(" + r.at + "\n) >" + name + " 2>&1\n"
			r.ask = "cat " + name
		}
		if r.ask != "" {
			asks[r.item] = r.ask
		}
	}
	for name, text := range map[string]string{
		"/etc/witness": witness, "/etc/systemd/system/witness.service": witnessUnit,
		"/etc/systemd/system/basic.target.d/witness.conf": witnessWant,
	} {
		check(t, w.root.WriteFile(t.Context(), name, []byte(text), 0o644, 0, 0))
	}
	hostKey, err := vm.NewKey(t.Context(), t.TempDir(), "hostkey")
	check(t, err)
	m := machine{initrd: i.baked, dmi: vm.EC2("i-0" + random(8)), key: w.seed, port: 22, words: patience}
	data := []byte("#cloud-config\n{}\n")
	if order {
		m.port = earlyPort
		data = earlyUserData(earlyRows(), tooLate, strings.NewReplacer("${MAC}", vm.GuestMAC, "${HOSTKEY}", quoted(readFile(t, hostKey.Path)), "${HOSTKEY.PUB}", quoted(hostKey.Public)))
	}
	w.setMachine(simulate.Machine{InstanceID: m.dmi.AssetTag, UserData: data})
	return w.lookEarly(t, m, asks, hostKey)
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	check(t, err)
	return string(text)
}

// quoted is a text as a YAML flow scalar.
func quoted(s string) string {
	out, _ := json.Marshal(s) // never fails for a string
	return string(out)
}

// lookEarly boots, looks from outside and asks inside.
func (w *world) lookEarly(t *testing.T, m machine, asks map[string]string, hostKey vm.Key) *earlySight {
	t.Helper()
	ctx, cut := context.WithTimeout(t.Context(), 2*bootTimeout)
	defer cut()
	guest := w.start(ctx, t, m)
	defer func() { cut(); <-guest.Done() }()
	e := &earlySight{seen: map[string]string{}}
	must := func(err error) {
		if err != nil {
			showEnd(t, guest)
			t.Fatal(err)
		}
	}
	var err error
	e.seen["user for the first getty"], err = typeIn(ctx, guest)
	must(err)
	_, err = guest.Prober.Wait(ctx, m.port)
	must(err)
	login := vm.Login{Network: w.network, Key: m.key, User: account, Port: m.port}
	answers, err := interview(ctx, login, asks)
	must(err)
	for name, text := range answers {
		text = strings.TrimSpace(strings.ReplaceAll(strings.TrimSpace(text), "\n", " "))
		if before := e.seen[name]; before != "" {
			text = before + "; " + text
		}
		e.seen[name] = text
	}
	e.report, err = report.Decode([]byte(answers["report"]))
	must(err)

	known := filepath.Join(t.TempDir(), "known_hosts")
	fields := strings.Fields(hostKey.Public)
	check(t, os.WriteFile(known, fmt.Appendf(nil, "[%s]:%d %s %s\n%[1]s %[3]s %[4]s\n", vm.GuestAddress, m.port, fields[0], fields[1]), 0o600))
	strict, root := login, login
	strict.KnownHosts, root.User = known, "root"
	e.seen["sshd's host key"] = entry(ctx, strict)
	e.seen["sshd's allowed users"] = entry(ctx, root)
	e.seen["sshd's port"] = ports(guest.Prober)
	must(guest.PowerOff(ctx))
	w.firstRequest(t, guest, e.seen)
	return e
}

// entry says whether a login is let in, or else why not.
func entry(ctx context.Context, l vm.Login) string {
	_, err := l.Run(ctx, "true")
	if err == nil {
		return "let in"
	}
	text := err.Error()
	for _, known := range []string{"Host key verification failed.", "Permission denied"} {
		if strings.Contains(text, known) {
			return known
		}
	}
	return text
}

// ports says what the two ports have been like since power-on.
func ports(p *vm.Prober) string {
	speaks, silent := []string{}, []string{}
	for _, port := range []int{22, earlyPort} {
		if len(p.Banners(port)) > 0 {
			speaks = append(speaks, fmt.Sprintf("%d speaks", port))
		} else {
			silent = append(silent, fmt.Sprintf("%d is silent", port))
		}
	}
	if len(p.Banners(22)) > 0 {
		return strings.Join(append(speaks, silent...), ", ")
	}
	return strings.Join(append(silent, speaks...), ", ")
}

// typeIn answers the serial console's first prompt, and says who got a shell.
func typeIn(ctx context.Context, guest *vm.Guest) (string, error) {
	steps := []struct{ wait, text string }{
		{" login:", "early\n"},
		{"Password:", earlyPassword + "\n"},
	}
	for _, s := range steps {
		if _, err := waitFor(ctx, guest, s.wait); err != nil {
			return "", err
		}
		if err := guest.Type(s.text); err != nil {
			return "", err
		}
	}
	line, err := waitFor(ctx, guest, "Login incorrect", "early@")
	if err != nil || strings.Contains(line, "incorrect") {
		return "Login incorrect", err
	}
	// What is typed comes back on the console too, and must not look alike.
	if err := guest.Type("echo shell of: $(id -un) on $(tty), d''one\n"); err != nil {
		return "", err
	}
	line, err = waitFor(ctx, guest, ", done")
	_, who, _ := strings.Cut(strings.TrimSuffix(line, ", done"), "shell of: ")
	return who, err
}

func waitFor(ctx context.Context, guest *vm.Guest, texts ...string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, promptTime, errors.New("not on the console in time"))
	defer cancel()
	line, err := guest.Console.Wait(ctx, texts...)
	return line.Text, err
}

// firstRequest reads the first DHCP packet of the real system: RFC 2131's
// options 12 (host name) and 60 (vendor class).
func (w *world) firstRequest(t *testing.T, guest *vm.Guest, seen map[string]string) {
	t.Helper()
	hello := systemdHello(t, &boot{Guest: guest})
	name, class := "hostname, in the first DHCP request", "network configuration"
	for _, frame := range guest.Capture.FromGuest() {
		options := dhcpOptions(frame.Data)
		if frame.At < hello || options == nil {
			continue
		}
		for item, code := range map[string]byte{name: 12, class: 60} {
			seen[item] = "none"
			if value, ok := options[code]; ok {
				seen[item] = value
			}
		}
		return
	}
	t.Error("no DHCP request after systemd's first word")
}

// dhcpOptions reads the options of a frame with a DHCPv4 packet to a server;
// nil for any other frame. What the capture cut off is left out.
func dhcpOptions(frame []byte) map[byte]string {
	const ethernet, ipv4, udp, fixed, serverPort, isUDP = 14, 0x0800, 8, 240, 67, 17
	if len(frame) < ethernet+20 || binary.BigEndian.Uint16(frame[12:]) != ipv4 || frame[ethernet+9] != isUDP {
		return nil
	}
	at := ethernet + int(frame[ethernet]&15)*4
	if len(frame) < at+udp+fixed || binary.BigEndian.Uint16(frame[at+2:]) != serverPort {
		return nil
	}
	options := map[byte]string{}
	for rest := frame[at+udp+fixed:]; len(rest) > 1; {
		if rest[0] == 0 { // padding
			rest = rest[1:]
			continue
		}
		end := 2 + int(rest[1])
		if rest[0] == 255 || end > len(rest) {
			break
		}
		options[rest[0]] = string(rest[2:end])
		rest = rest[end:]
	}
	return options
}
