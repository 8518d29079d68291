//go:build attack

package attack

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// kills is how many applies are killed.
const kills = 500

// manyThings is user-data that change a root in every way: files new, replaced
// and appended to, accounts, keys, rules of sudo, scripts, and many of them.
func manyThings() string {
	var b strings.Builder
	b.WriteString("#cloud-config\nhostname: web1\nmanage_etc_hosts: true\ntimezone: UTC\n" +
		"users:\n- {name: alice, groups: [adm], sudo: 'ALL=(ALL) NOPASSWD:ALL', ssh_authorized_keys: ['" + publicKey + "']}\n" +
		"- {name: bob, ssh_authorized_keys: ['" + publicKey + "']}\n" +
		"runcmd: [echo]\nwrite_files:\n- {path: /etc/motd, content: new}\n- {path: /etc/hosts.allow, content: a, append: true}\n")
	for i := range 150 {
		fmt.Fprintf(&b, "- {path: /srv/deep/%d/file, content: %q, permissions: '0600'}\n", i, strings.Repeat("x", 40*i))
		fmt.Fprintf(&b, "- {path: /etc/many-%d, content: %q}\n", i, strings.Repeat("y", i))
	}
	return b.String()
}

// TestKills kills "boothook apply" at moments drawn by chance, on a real ext4.
// Each leaves every path as before or as after, without a journal all of them
// the one or the other; and the next apply comes to the same root as one that
// was never killed, with nothing left lying about.
func TestKills(t *testing.T) {
	r := Rand(t)
	built.Path(t, "boothook") // building takes its time, too
	base := ext4(t, "256M", "", "")
	userData := filepath.Join(t.TempDir(), "user-data")
	write(t, userData, manyThings(), 0o644)
	fresh := func() string {
		dir, err := os.MkdirTemp(base, "root")
		must(t, err)
		must(t, os.Chmod(dir, 0o755))
		fill(t, dir)
		return dir
	}
	whole := func(dir string) {
		t.Helper()
		if out, err := apply(t, dir, userData).CombinedOutput(); err != nil {
			t.Fatalf("apply: %v\n%s", err, out)
		}
	}

	// What one takes is known when three have run.
	dir := fresh()
	before := look(t, dir)
	var took []time.Duration
	var after tree
	for range 3 {
		dir := fresh()
		begun := time.Now()
		whole(dir)
		took = append(took, time.Since(begun))
		after = look(t, dir)
	}
	slices.Sort(took)
	length := took[1]

	outcomes := map[string]int{}
	for n := range kills {
		must(t, os.RemoveAll(dir))
		dir = fresh()
		cmd := apply(t, dir, userData)
		must(t, cmd.Start())
		time.Sleep(time.Duration(r.Int64N(int64(length))))
		must(t, cmd.Process.Kill())
		if err := cmd.Wait(); err == nil {
			outcomes["had ended"]++
		} else if cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("kill %d: ended with %v", n, err)
		}
		left := look(t, dir)
		outcomes[oldOrNew(t, fmt.Sprintf("kill %d", n), left, before, after)]++
		whole(dir)
		if d := differ(after, look(t, dir)); len(d) > 0 {
			t.Fatalf("kill %d: applied again, and not as if never killed: %v", n, d)
		}
	}
	t.Logf("attack: %d SIGKILLs within %v: %v; each was old or new, and applied again as if never killed", kills, length.Round(time.Millisecond), outcomes)
	if outcomes["old"]+outcomes["old, and staged"] == 0 || outcomes["with a journal"] == 0 {
		t.Errorf("the moments were not of every kind: %v", outcomes)
	}
}

// oldOrNew fails the test unless a root is as before, or as after, or, with a
// journal, each path of it is the one or the other. It says which.
func oldOrNew(t *testing.T, what string, left, before, after tree) string {
	t.Helper()
	_, journalled := left[journal]
	now := left.settled()
	if journalled {
		for path, is := range now {
			if is != before[path] && is != after[path] && !strings.HasPrefix(path, filepath.Dir(journal)) {
				t.Fatalf("%s: %s is neither old nor new: %.200s", what, path, is)
			}
		}
		for path := range before {
			if _, there := now[path]; !there && after[path] != "" {
				t.Fatalf("%s: %s is lost", what, path)
			}
		}
		return "with a journal"
	}
	// Where the journal would be is made before there is any.
	for _, path := range []string{filepath.Dir(journal), journal + ".new"} {
		if _, there := after[path]; !there || len(differ(after, now)) > 0 {
			delete(now, path)
		}
	}
	dOld, dNew := differ(before, now), differ(after, now)
	switch {
	case len(dNew) == 0:
		return "new"
	case len(dOld) > 0:
		t.Fatalf("%s: without a journal, half is old and half is new: %v; %v", what, dOld, dNew)
	case len(left.settled()) < len(left):
		return "old, and staged"
	}
	return "old"
}
