//go:build net

package hooks

import (
	"path/filepath"
	"strings"
	"testing"
)

// leftGroups are the hooks' control groups of every hierarchy. Where none is
// mounted, the hierarchy for hooks is looked at through a hook.
func leftGroups(t *testing.T, root string) []string {
	t.Helper()
	_, out := runHooks(t, Config{Root: root}, Hook{Kind: Bootcmd, Name: "look", Body: []byte("#!/bin/sh\ncd /run/boothook/hooks/cgroup && ls -d boothook-hooks/*/ 2>/dev/null\n:\n")})
	var left []string
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, cgroupName) {
			left = append(left, strings.TrimSpace(line))
		}
	}
	groups, _ := filepath.Glob("/sys/fs/cgroup/*/" + cgroupName)
	more, _ := filepath.Glob("/sys/fs/cgroup/" + cgroupName)
	return append(append(left, groups...), more...)
}

// TestMountsOver: whatever a hook mounts, and wherever, those after it run as
// if it had not, and nothing is left behind.
func TestMountsOver(t *testing.T) {
	const memory = "/run/boothook/hooks"
	for name, script := range map[string]string{
		"run":                     "mount -t tmpfs over /run",
		"run, and read-only":      "mount -t tmpfs -o ro over /run",
		"run, twice":              "mount -t tmpfs over /run; mount -t tmpfs over /run",
		"the hooks' own place":    "mount -t tmpfs over " + memory,
		"the cgroup":              "mount -t tmpfs over " + memory + "/cgroup",
		"the place taken away":    "umount -l " + memory,
		"run taken away":          "umount -l /run",
		"proc":                    "mount -t tmpfs over /proc",
		"dev":                     "mount -t tmpfs over /dev",
		"etc":                     "mount -t tmpfs over /etc",
		"var":                     "mount -t tmpfs over /var",
		"groups of its own":       "mkdir -p " + memory + "/cgroup/boothook-hooks/a/b",
		"a process in such":       "mkdir " + memory + "/cgroup/boothook-hooks/c; sleep 600 & echo $! > " + memory + "/cgroup/boothook-hooks/c/cgroup.procs",
		"what it made is removed": "rm -rf " + memory + "/bin",
	} {
		t.Run(name, func(t *testing.T) {
			root := newRoot(t)
			before := list(t, filepath.Join(root, "etc"))
			results, out := runHooks(t, Config{Root: root, ResolvConf: []byte("nameserver 10.1.2.3\n")},
				boothook("over", "#!/bin/sh\n"+script+"\n:\n"),
				boothook("next", "#!/bin/sh\necho next runs\n"),
				Hook{Kind: Bootcmd, Name: "bootcmd", Body: []byte("#!/bin/sh\necho bootcmd runs\n")},
				boothook("per", "#!/bin/sh\nPATH=$PATH cloud-init-per always x echo cloud-init-per runs\n"),
			)
			if name == "dev" { // busybox's sh needs /dev/null for what it starts behind itself
				results = results[:3]
			}
			want(t, results[:3], out, "next runs\n", "bootcmd runs\n")
			if name != "what it made is removed" {
				want(t, results, out, "cloud-init-per runs\n")
			}
			if after := list(t, filepath.Join(root, "etc")); after != before {
				t.Errorf("before:\n%safter:\n%s", before, after)
			}
			noneOf(t, append(memoryDirs(), filepath.Join(root, "run/boothook"), filepath.Join(root, "dev/.boothook-hooks"))...)
			if left := leftGroups(t, root); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}
