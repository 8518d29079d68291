//go:build net

package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"boothook/initramfs/report"
)

// An initrd is what the early and the late call find around them, in the
// client's namespaces: a /run of their own, the kernel's words and log.
type initrd struct {
	*lab
	run   string
	lines chan string // of the kernel log
}

func (l *lab) initrd(words string) *initrd {
	l.t.Helper()
	i := &initrd{lab: l, run: filepath.Join(l.dir, "initrd-run"), lines: make(chan string, 1000)}
	l.write(filepath.Join(l.dir, "cmdline"), words+"\n")
	kmsg := filepath.Join(l.dir, "kmsg")
	if err := unix.Mkfifo(kmsg, 0o600); err != nil {
		l.t.Fatal(err)
	}
	if err := os.Mkdir(i.run, 0o755); err != nil {
		l.t.Fatal(err)
	}
	log, err := os.OpenFile(kmsg, os.O_RDWR, 0)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { log.Close() })
	go func() {
		for lines := bufio.NewScanner(log); lines.Scan(); {
			i.lines <- lines.Text()
		}
	}()
	return i
}

// call gives a command that calls the agent as an initrd's scripts do. What it
// must not touch is hidden: the modules and the firmware of this machine.
func (i *initrd) call(args ...string) *exec.Cmd {
	const around = `set -e
mount --bind "$1/initrd-run" /run
mount --bind "$1/cmdline" /proc/cmdline
mount --bind "$1/kmsg" /dev/kmsg
for dir in /lib/modules /sys/firmware; do [ ! -d "$dir" ] || mount -t tmpfs tmpfs "$dir"; done
shift
exec "$@"`
	return exec.CommandContext(i.t.Context(), "ip", append([]string{"netns", "exec", i.client, "unshare", "--mount", "sh", "-c", around, "sh",
		i.dir, built.Path(i.t, "boothook-agent")}, args...)...)
}

// await reads the kernel log until a line has text in it.
func (i *initrd) await(text string) {
	i.t.Helper()
	var all []string
	for late := time.After(time.Minute); ; {
		select {
		case line := <-i.lines:
			if strings.Contains(line, text) {
				return
			}
			all = append(all, line)
		case <-late:
			i.t.Fatalf("no %q in\n%s", text, strings.Join(all, "\n"))
		}
	}
}

// awaitEnd waits for the end of a process that is nobody's child here.
func awaitEnd(t *testing.T, pidfd int) {
	t.Helper()
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int((2 * time.Minute).Milliseconds()))
		if n == 1 {
			return
		}
		if err != unix.EINTR {
			t.Fatalf("the worker goes on: %v", err)
		}
	}
}

// The worker that the early call leaves behind puts the network back, too, and
// leaves a report, whether or not the late call waits for it already.
func TestWorkerEndedBySignal(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		for _, when := range []string{"before the late call", "in the late call"} {
			t.Run(signal.String()+" "+when, func(t *testing.T) {
				l := newLab(t)
				l.dnsmasq("unused.lab")
				root, before := l.newRoot(), l.network()
				i := l.initrd("boothook.source=ec2 boothook.nic=eth0 boothook.log=debug boothook.timeout=60s")
				if out, err := i.call("early").CombinedOutput(); err != nil {
					t.Fatalf("early call: %v\n%s", err, out)
				}
				pid, err := strconv.Atoi(l.read(i.run, "boothook/worker.pid"))
				if err != nil {
					t.Fatal(err)
				}
				worker, err := unix.PidfdOpen(pid, 0)
				if err != nil {
					t.Fatalf("worker: %v", err)
				}
				defer unix.Close(worker)
				i.await("(dhcp4)")
				late := i.call("late", "--root", root)
				if when == "in the late call" {
					if err := late.Start(); err != nil {
						t.Fatal(err)
					}
					i.await("late call: waiting for the network")
				}
				if err := unix.PidfdSendSignal(worker, signal, nil, 0); err != nil {
					t.Fatal(err)
				}
				awaitEnd(t, worker)
				if late.Process != nil {
					if err := late.Wait(); err != nil {
						t.Errorf("late call: %v", err)
					}
				}
				if after := l.network(); after != before {
					t.Errorf("the network was left as\n%s\nand found as\n%s", after, before)
				}
				r, err := report.Decode([]byte(l.read(i.run, "boothook/report.json")))
				if err != nil {
					t.Fatal(err)
				}
				said := false
				for _, p := range r.Problems {
					said = said || strings.Contains(p.Message, "was ended: "+signal.String())
				}
				if r.Result != report.Failed || !said {
					t.Errorf("result %s, problems %v", r.Result, r.Problems)
				}
			})
		}
	}
}
