//go:build boot

package boottest

import (
	"bufio"
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"boothook/cmd/boothook/vm"
	"boothook/initramfs/report"
)

// farAway is an address of the network to which no guest has a route but the
// default one.
const farAway = "192.0.2.99"

// A route is a way to the guest: from an address of the network to one of the
// guest's.
type route struct{ from, to string }

// reachTimeout bounds the wait for an answer on a route, once another way to
// the guest is open.
const reachTimeout = time.Minute

// reach waits until SSH answers on a route.
func (w *world) reach(ctx context.Context, r route, port int) error {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	var last error
	for ctx.Err() == nil {
		if last = w.greet(ctx, r, port); last == nil {
			return nil
		}
		select {
		case <-time.After(vm.ProbeInterval):
		case <-ctx.Done():
		}
	}
	return fmt.Errorf("no answer to %s from %s: %w", r.from, r.to, last)
}

// greet connects once and reads what SSH says first.
func (w *world) greet(ctx context.Context, r route, port int) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second) // the guest is emulated
	defer cancel()
	conn, err := w.network.Dial(ctx, netip.MustParseAddr(r.from), netip.AddrPortFrom(netip.MustParseAddr(r.to), uint16(port)))
	if err != nil {
		return err
	}
	defer conn.Close()
	end, _ := ctx.Deadline()
	if err := conn.SetDeadline(end); err != nil {
		return err
	}
	text, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && !strings.HasPrefix(text, "SSH-") {
		err = fmt.Errorf("%q is not SSH", text)
	}
	return err
}

// networkWorld is a world whose guest is a root of scripts/networkroots, which
// gets its network-config on a NoCloud volume and thus asks no network. setUp
// are arguments of ip(8) for the network outside.
func networkWorld(t *testing.T, base, root, networkConfig string, setUp ...string) (w *world, volume string) {
	t.Helper()
	w = rootWorld(t, base, root, setUp...)
	seed := w.seedFiles()
	seed["network-config"] = []byte(networkConfig)
	return w, w.volume(t, "CIDATA", seed)
}

// rootWorld is a world whose guest is a root of scripts/networkroots.
func rootWorld(t *testing.T, base, root string, setUp ...string) *world {
	t.Helper()
	i := makeImage(t, base)
	i.disk = filepath.Join(strings.TrimSpace(run(t, "../networkroots/image", root)), root+".img")
	w := newWorld(t, i)
	for _, args := range append([]string{"address add " + farAway + "/32 dev lo"}, setUp...) {
		_, err := w.network.Run(t.Context(), "ip", strings.Fields(args)...)
		check(t, err)
	}
	return w
}

// seedFiles are NoCloud's, by which one can log in.
func (w *world) seedFiles() map[string][]byte {
	return map[string][]byte{
		"meta-data": []byte("instance-id: " + random(8) + "\n"),
		"user-data": []byte("#cloud-config\nssh_authorized_keys: [\"" + w.login.Public + "\"]\n"),
	}
}

// volume makes a volume with files, by their paths on it.
func (w *world) volume(t *testing.T, label string, files map[string][]byte) string {
	t.Helper()
	path := filepath.Join(w.dir, "volume.img")
	check(t, vm.MakeVolume(t.Context(), path, label, files))
	return path
}

// networkQuestions are asked of each booted root.
func networkQuestions(daemon string) map[string]string {
	return map[string]string{
		"report":    "cat " + report.RunPath,
		"started":   "journalctl -b -o cat --no-pager UNIT=" + daemon + " | grep '^Starting'",
		"restarts":  "systemctl show -P NRestarts -p ActiveState " + daemon,
		"failed":    "systemctl --failed --plain --no-legend",
		"links":     "ip -o link",
		"addresses": "ip -o address show scope global",
		"routes":    "ip route show table all | grep -v 'table local'",
		"rules":     "ip rule",
		"journal":   "journalctl -b -o short-monotonic --no-pager -u " + daemon,
	}
}

// checkFirstStart holds that the network came up as it is by the only start of
// its daemon, and that nothing was left undone. told are what the report's
// problems begin with, in their order.
func checkFirstStart(t *testing.T, b *boot, told ...string) {
	t.Helper()
	r := decodeReport(t, b)
	if r.Result != report.Applied || len(r.Problems) != len(told) {
		t.Errorf("%s, problems %v", r.Result, r.Problems)
	}
	for i := range min(len(told), len(r.Problems)) {
		if !strings.HasPrefix(r.Problems[i].Message, told[i]) {
			t.Errorf("problem %v, want %q", r.Problems[i], told[i])
		}
	}
	if len(r.Network) > 0 {
		t.Errorf("the initramfs raised a network: %v", r.Network)
	}
	if got := strings.Count(b.answer["started"], "\n"); got != 1 {
		t.Errorf("the daemon started %d times:\n%s", got, b.answer["journal"])
	}
	if got := strings.Fields(b.answer["restarts"]); len(got) != 2 || got[0] != "0" || got[1] != "active" {
		t.Errorf("the daemon's restarts and state are %q", got)
	}
	if b.answer["failed"] != "" {
		t.Errorf("failed units: %s", b.answer["failed"])
	}
	if t.Failed() || testing.Verbose() {
		t.Logf("%s\n%s\n%s\n%s\n%s", b.answer["links"], b.answer["addresses"], b.answer["routes"], b.answer["rules"], b.answer["journal"])
	}
}

// checkLines: an answer has lines that contain all words of each text.
func (b *boot) checkLines(t *testing.T, name string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		found := false
		for line := range strings.Lines(b.answer[name]) {
			words, all := " "+strings.Join(strings.Fields(line), " ")+" ", true
			for _, part := range strings.Split(text, " .. ") {
				all = all && strings.Contains(words, " "+part+" ")
			}
			found = found || all
		}
		if !found {
			t.Errorf("no %q among the %s:\n%s", text, name, b.answer[name])
		}
	}
}
