//go:build net

package state_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boothook/injector/internal/golden"
	"boothook/injector/plan"
	"boothook/injector/root"
	"boothook/injector/state"
	"boothook/netboot/instance"
)

// TestRealRoot lives through a clone on a real directory, by the real root.
func TestRealRoot(t *testing.T) {
	dir := t.TempDir()
	for path, body := range map[string]string{
		"etc/machine-id": strings.Repeat("a", 32) + "\n", "etc/ssh/ssh_host_rsa_key": "old",
		"etc/passwd": "root:x:0:0::/root:/bin/sh\n", "etc/group": "root:x:0:\n",
		"var/lib/dbus/machine-id": strings.Repeat("a", 32) + "\n",
	} {
		os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o755)
		if err := os.WriteFile(filepath.Join(dir, path), []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	boot(t, dir, "i-1")
	first := tree(t, dir, true)
	boot(t, dir, "i-1")
	if diff := cmp.Diff(first, tree(t, dir, true)); diff != "" {
		t.Errorf("the second boot changed something:\n%s", diff)
	}
	d := boot(t, dir, "i-2")
	if !d.New || !d.Changed || d.Unfinished {
		t.Errorf("%+v", d)
	}
	golden.File(t, "testdata/root.txt", []byte(tree(t, dir, false)))
}

func boot(t *testing.T, dir, id string) *state.Decision {
	t.Helper()
	r, err := root.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	known := state.Read(r)
	if len(known.Problems) > 0 {
		t.Error(known.Problems)
	}
	d, err := state.Decide(known, id, state.AgainInstance)
	if err != nil {
		t.Fatal(err)
	}
	c := &state.Content{Instance: instance.Instance{Source: "nocloud", ID: id, UserData: []byte("#!/bin/sh\n")}}
	steps := append(state.Layout(d, c), state.Renew(d, known, false, strings.Repeat("f", 32), nil)...)
	end, err := state.Finish(d, known, c)
	if err != nil {
		t.Fatal(err)
	}
	p := plan.Plan{Version: plan.Version, InstanceID: d.ID, Steps: d.Select(append(steps, end...))}
	done, err := r.Apply(context.Background(), p, root.Options{})
	if err != nil || len(done.Problems) > 0 {
		t.Fatal(err, done.Problems)
	}
	return d
}

// tree lists a directory; stamps adds inodes and times of change.
func tree(t *testing.T, dir string, stamps bool) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := e.Info()
		if err != nil {
			return err
		}
		st := fi.Sys().(*syscall.Stat_t)
		name := strings.TrimPrefix(path, dir)
		own := strings.HasPrefix(name, state.OwnDir+"/") && name != state.OwnDir+"/instance.json"
		if name == "" || own { // what package root keeps for itself is its own affair
			return nil
		}
		target, _ := os.Readlink(path)
		fmt.Fprintf(&b, "%v %d:%d %s %s", fi.Mode(), st.Uid, st.Gid, name, target)
		if stamps && name != state.OwnDir {
			fmt.Fprintf(&b, " %d %v", st.Ino, st.Ctim)
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
