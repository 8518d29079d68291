package injector_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"boothook/injector"
	"boothook/injector/root"
	"boothook/netboot/instance"
)

// A shape is an instance that asks for n of something.
type shape struct {
	name string
	// most is how many are asked for at the most.
	most int
	make func(n int) instance.Instance
	// file is what the root must have in the end; if done is given it stands
	// in it n times.
	file func(n int) string
	done string
}

func shapes() []shape {
	fixed := func(name string) func(int) string { return func(int) string { return name } }
	return []shape{
		{"path", 2040, func(n int) instance.Instance {
			return config("write_files: [{path: " + strings.Repeat("/d", n-1) + "/f, content: x}]")
		}, func(n int) string { return strings.Repeat("/d", n-1) + "/f" }, ""},
		{"keys", 60000, func(n int) instance.Instance {
			return config("ssh_authorized_keys:" + times(n, "\n- ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI%043d user@host"))
		}, fixed("/root/.ssh/authorized_keys"), "ssh-ed25519"},
		{"metadata-keys", 10000, func(n int) instance.Instance {
			i := config("{}")
			i.PublicKeys = strings.Split(times(n, "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI%043d user@host\n"), "\n")
			return i
		}, fixed("/root/.ssh/authorized_keys"), "ssh-ed25519"},
		{"users", 1000, func(n int) instance.Instance {
			return config("users:" + times(n, "\n- {name: u%d, groups: [staff, g%[1]d, h%[1]d], sudo: 'ALL=(ALL) ALL', ssh_authorized_keys: [ssh-ed25519 AAAA]}"))
		}, fixed("/etc/group"), ":x:"},
		{"groups", 1000, func(n int) instance.Instance {
			return config("groups:" + times(n, "\n- g%d: [root]"))
		}, fixed("/etc/group"), ":root"},
		{"members", 4000, func(n int) instance.Instance {
			return config("groups:\n- g: [" + times(n, "u%d., ") + "]")
		}, fixed("/etc/group"), "."},
		{"files", 10000, func(n int) instance.Instance {
			return config("write_files:" + times(n, "\n- {path: /srv/f%d, content: x}"))
		}, nil, ""},
		{"appends", 10000, func(n int) instance.Instance {
			return config("write_files:" + times(n, "\n- {path: /srv/f, append: true, content: \"line %d\\n\"}"))
		}, fixed("/srv/f"), "line"},
		{"tmp", 4000, func(n int) instance.Instance {
			return config("write_files:" + times(n, "\n- {path: /tmp/f%d, content: x}"))
		}, nil, ""},
		{"commands", 10000, func(n int) instance.Instance {
			return config("runcmd:" + times(n, "\n- [echo, %d]"))
		}, nil, ""},
		{"parts", 500, func(n int) instance.Instance {
			return instance.Instance{Source: "nocloud", ID: "i-1", UserData: []byte("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=X\n\n" +
				times(n, "--X\nContent-Type: text/x-shellscript\n\n#!/bin/sh\necho %d\n") + "--X--\n")}
		}, nil, ""},
		{"configs", 500, func(n int) instance.Instance {
			return instance.Instance{Source: "nocloud", ID: "i-1", UserData: []byte("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=X\n\n" +
				times(n, "--X\nContent-Type: text/cloud-config\nMerge-Type: list(append)+dict(recurse_array)+str()\n\n#cloud-config\nruncmd:\n- [echo, %d]\n") + "--X--\n")}
		}, nil, ""},
		{"options", 20000, func(n int) instance.Instance {
			return config(times(n, "k%d: 1\n"))
		}, nil, ""},
		{"patches", 4000, func(n int) instance.Instance {
			return instance.Instance{Source: "nocloud", ID: "i-1", UserData: []byte("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=X\n\n" +
				"--X\nContent-Type: text/cloud-config-jsonp\n\n#cloud-config-jsonp\n[" + strings.TrimSuffix(times(n, `{"op": "add", "path": "/k%d", "value": 1},`), ",") + "]\n--X--\n")}
		}, nil, ""},
		{"repositories", 1000, func(n int) instance.Instance {
			return config("yum_repos:" + times(n, "\n  r%d: {baseurl: 'http://x/', name: r}"))
		}, nil, ""},
		{"mounts", 1000, func(n int) instance.Instance {
			return config("mounts:" + times(n, "\n- [/dev/sd%d, /mnt/m%[1]d]"))
		}, nil, ""},
		{"interfaces", 500, func(n int) instance.Instance {
			i := config("{}")
			i.NetworkConfig = []byte("version: 2\nethernets:" + times(n, "\n  eth%d: {dhcp4: true, routes: [{to: 10.0.0.0/8, via: 192.0.2.1}]}"))
			return i
		}, nil, ""},
		{"hosts", 4000, func(n int) instance.Instance {
			return config("ssh_keys:" + times(n, "\n  k%d_private: x"))
		}, nil, ""},
	}
}

func config(text string) instance.Instance {
	return instance.Instance{Source: "nocloud", ID: "i-1", UserData: []byte("#cloud-config\n" + text + "\n")}
}

func times(n int, format string) string {
	var sb strings.Builder
	for i := range n {
		fmt.Fprintf(&sb, format, i)
	}
	return sb.String()
}

// notLinear is from where on BenchmarkGrowth fails.
const notLinear = 2.5

// BenchmarkGrowth tells what four times as much of something takes longer than
// four times as long: "x-linear" is 1 where the time is in proportion, and 4
// where it grows with the square. The quickest of all runs counts.
//
//	go test -run - -bench Growth -benchtime 3x ./injector
func BenchmarkGrowth(b *testing.B) {
	for _, s := range shapes() {
		b.Run(s.name, func(b *testing.B) {
			few, many := time.Hour, time.Hour
			for b.Loop() {
				few = min(few, s.inject(b, s.most/4))
				many = min(many, s.inject(b, s.most))
			}
			ratio := float64(many) / float64(few) / 4
			b.ReportMetric(ratio, "x-linear")
			b.ReportMetric(float64(many.Milliseconds()), "ms")
			b.ReportMetric(0, "ns/op") // both together, which says nothing
			if ratio > notLinear && many > time.Second/2 {
				b.Errorf("%d take %v, a quarter of them %v", s.most, many, few)
			}
		})
	}
}

// inject gives the processor time of what is done to a new root, and of doing
// it again.
func (s shape) inject(t testing.TB, n int) time.Duration {
	inst := s.make(n)
	dir, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"etc/passwd": "root:x:0:0::/root:/bin/sh\n", "etc/group": "root:x:0:\nstaff:x:50:\n", "etc/shadow": "root:*:1::::::\n",
		"etc/gshadow": "root:*::\nstaff:*::\n", "etc/subuid": "", "etc/subgid": "", "root/x": "", "srv/x": "",
	} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r, err := root.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	start := processorTime(t)
	for range 2 {
		result := injector.Inject(context.Background(), r, injector.Prepare(context.Background(), inst, nil), injector.Options{
			NoHooks: true, AgainEachBoot: true, Apply: root.Options{AnyOwner: true, Now: time.Now},
		})
		if !result.Outcome.Applied {
			t.Fatal(result.Outcome.Problems)
		}
	}
	took := processorTime(t) - start
	if s.file != nil {
		text, err := r.ReadFile(s.file(n))
		if got := strings.Count(string(text), s.done); err != nil || got < n && s.done != "" {
			t.Errorf("%s has %d of %d: %v", s.name, got, n, err)
		}
	}
	return took
}

// processorTime is what the process has used so far, whatever else the machine
// does.
func processorTime(t testing.TB) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
