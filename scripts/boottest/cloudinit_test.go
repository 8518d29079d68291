//go:build boot

package boottest

import (
	"strings"
	"testing"
)

// TestCloudInit is Show 4: a root with Debian's cloud-init, which must not do
// again what boothook did.
func TestCloudInit(t *testing.T) {
	w := newWorld(t, makeImage(t, "cloud-init"))
	w.serveEC2(t)
	o := w.newOrder(t, true)
	b := w.bootOrder(t, o)
	checkFirst(t, w, o, b)
	// Who waits for cloud-init waits in vain neither for its command nor for
	// its file.
	for _, want := range []string{"status: disabled", "exit 0\n", `"errors":[]`} {
		if !strings.Contains(b.answer["cloud-init"], want) {
			t.Errorf("cloud-init status: no %q in %q", want, b.answer["cloud-init"])
		}
	}
	if got := b.answer["cloud-init-ran"]; got != "" {
		t.Errorf("cloud-init ran: %s", got)
	}
	times := map[string]int{}
	for _, r := range w.asked() {
		times[r.Path]++
	}
	for path, n := range times {
		if n > 1 {
			t.Errorf("%s was fetched %d times", path, n)
		}
	}
	for _, word := range []string{"demo-hook: ", "demo-script: ", "demo-early: "} {
		if n := strings.Count(b.answer["dmesg"], word); n != 1 {
			t.Errorf("the kernel log has %q %d times", word, n)
		}
	}
}
