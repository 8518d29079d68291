//go:build net

package root

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"boothook/injector/plan"
)

// TestReserve: a file whose blocks are reserved, as a swap file's are, appears
// whole or not at all, whatever call the process dies at.
func TestReserve(t *testing.T) {
	head := strings.Repeat("head", 1024)
	step := plan.Step{Kind: plan.File, Path: "/swap.img", Body: []byte(head), Size: 8 << 20, KeepExisting: true, Mode: 0o600, Secret: true}
	steps := []plan.Step{file("/etc/motd", "new"), step}
	dir := mounted(t, attach(t, "64M", "mkfs.ext4", "-q"), "rw")
	fill(t, dir)
	r := openRoot(t, dir)
	whole := func(what string) {
		t.Helper()
		st, err := os.Stat(dir + "/swap.img")
		if err != nil || st.Size() != step.Size || st.Mode().Perm() != 0o600 {
			t.Fatalf("%s: %v, %v", what, st, err)
		}
		var sys unix.Stat_t
		must(t, unix.Stat(dir+"/swap.img", &sys))
		if sys.Blocks*512 < step.Size {
			t.Errorf("%s: %d bytes have blocks, of %d", what, sys.Blocks*512, step.Size)
		}
		body, err := os.ReadFile(dir + "/swap.img")
		must(t, err)
		if !strings.HasPrefix(string(body), head) || strings.Trim(string(body[len(head):]), "\x00") != "" {
			t.Errorf("%s: other bytes than those asked for", what)
		}
	}
	forward, back := 0, 0
	for at := 0; ; at++ {
		must(t, os.WriteFile(dir+"/etc/motd", []byte("old"), 0o644))
		os.Remove(dir + "/swap.img")
		r.sys = &faulty{at: at, die: true}
		died := func() (died bool) {
			defer func() { died = recover() != nil }()
			_, err := r.Apply(context.Background(), plan.Plan{Version: 1, Steps: steps}, Options{})
			must(t, err)
			return false
		}()
		r.sys = kernel{}
		if !died {
			whole("applied")
			break
		}
		rec, err := r.Recover(context.Background())
		must(t, err)
		if rec.Finished {
			forward++
			whole("recovered")
		} else if back++; r.Exists("/swap.img") {
			whole("given up")
		}
	}
	if forward == 0 || back == 0 {
		t.Errorf("%d rolled forward, %d back", forward, back)
	}
	for i, s := range apply(t, r, steps...).Steps {
		if s.Status != Unchanged {
			t.Errorf("the second time %s: %+v", steps[i], s)
		}
	}
}

// TestReserveCannot: what cannot be swapped to, or is not there, is refused.
func TestReserveCannot(t *testing.T) {
	step := plan.Step{Kind: plan.File, Path: "/swap.img", Body: []byte("head"), Size: 8 << 30, KeepExisting: true, Mode: 0o600}
	ext := mounted(t, attach(t, "64M", "mkfs.ext4", "-q"), "rw")
	fill(t, ext)
	for dir, want := range map[string]string{newRootIn(t, memory(t)).dir: "on ext4 and xfs only", ext: "8589934592 bytes are wanted and "} {
		res := apply(t, openRoot(t, dir), step, file("/etc/motd", "new"))
		if res.Steps[0].Status != Skipped || !strings.Contains(res.Steps[0].Why, want) || res.Steps[1].Status != Written {
			t.Errorf("%+v, want %s", res.Steps, want)
		}
	}
	step.Path, step.KeepExisting = "/x", false
	if err := step.Validate(); !errors.Is(err, plan.ErrInvalid) {
		t.Errorf("a reserved file may replace another: %v", err)
	}
}
