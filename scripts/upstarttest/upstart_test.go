//go:build upstart

package upstarttest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience bounds a boot, in real time: emulated, a login takes some twenty
// seconds on an idle machine.
const patience = 5 * time.Minute

// seen tells on the console what begins; the event has to be over by then.
const seen = `start on starting mountall or starting hostname or starting udev or starting ssh or starting cron
instance $JOB
task
console output
exec echo "seen: $JOB begins"
`

// job is a job on an event that says so on the console.
func job(name, event string) string {
	return fmt.Sprintf("start on %s\ntask\nconsole output\nexec echo \"%s: runs\"\n", event, name)
}

// A kit is the root of the upstart kit with its initrd, and the tool.
type kit struct {
	dir, root, tool string
}

func newKit(t *testing.T) *kit {
	t.Helper()
	dir := os.Getenv("BOOTHOOK_UPSTART")
	if dir == "" {
		t.Fatal("BOOTHOOK_UPSTART names no upstart kit")
	}
	out := t.TempDir()
	run(t, "go", "build", "-o", out, "boothook/cmd/boothook", "boothook/cmd/boothook-agent")
	k := &kit{dir: dir, root: filepath.Join(out, "root.ext4"), tool: filepath.Join(out, "boothook")}
	run(t, filepath.Join(dir, "mkroot"), k.root)
	return k
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// write writes a file in a new directory and gives its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// with gives a copy of the root that has more files, by path.
func (k *kit) with(t *testing.T, files map[string]string) string {
	t.Helper()
	if len(files) == 0 {
		return k.root
	}
	root := filepath.Join(t.TempDir(), "root.ext4")
	run(t, "cp", "--sparse=always", k.root, root)
	commands := "mkdir /etc/init/sub\n"
	for path, text := range files {
		commands += fmt.Sprintf("write %s %s\n", write(t, "file", text), path)
	}
	run(t, "debugfs", "-w", "-f", write(t, "commands", commands), root)
	return root
}

// boot boots the root with user-data in the initrd, until the console asks for
// a login, and gives what the console has said and how long that took.
func (k *kit) boot(t *testing.T, userData string, image map[string]string, within time.Duration) (string, time.Duration) {
	t.Helper()
	seed := t.TempDir()
	for name, text := range map[string]string{"user-data": userData, "meta-data": "instance-id: i-1\n"} {
		if err := os.WriteFile(filepath.Join(seed, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	base := strings.TrimSuffix(k.root, ".ext4")
	baked := filepath.Join(t.TempDir(), "baked.initrd")
	run(t, k.tool, "bake", "--initrd", base+".initrd", "--out", baked, "--extra", "none", "--seed", seed)

	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(k.dir, "boot"), "-t", fmt.Sprint(int(within.Seconds())), k.with(t, image), baked, base+".vmlinuz")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	in, err := cmd.StdinPipe() // the console's end must stay open
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", strings.Join(cmd.Args, " "))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	var console bytes.Buffer
	for buf := make([]byte, 4<<10); ; {
		n, err := out.Read(buf)
		console.Write(buf[:n])
		if bytes.Contains(console.Bytes(), []byte(" login: ")) {
			break
		}
		if err != nil {
			t.Fatalf("no login within %v (%v); the console's end:\n%s", within, err, tail(console.String()))
		}
	}
	took := time.Since(start)
	cancel()
	go io.Copy(io.Discard, out)
	_ = cmd.Wait() // it was killed
	return strings.ReplaceAll(console.String(), "\r", ""), took
}

// tail gives the last lines of a text.
func tail(text string) string {
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-60):], "\n")
}

// A part is one of a MIME document.
type part struct{ kind, name, text string }

func parts(list ...part) string {
	text := "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"==\"\n\n"
	for _, p := range list {
		text += fmt.Sprintf("--==\nContent-Type: text/%s\nContent-Disposition: attachment; filename=\"%s\"\n\n%s\n", p.kind, p.name, p.text)
	}
	return text + "--==--\n"
}

// file is a cloud-config part that writes one file.
func file(path, text string) part {
	return part{"cloud-config", "file", "#cloud-config\nwrite_files:\n- path: " + path + "\n  content: |\n    " +
		strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ") + "\n"}
}

// Each case boots, does what it says once, and does it before the first job of
// the boot begins.
func TestHookEvent(t *testing.T) {
	k := newKit(t)
	watch := part{"upstart-job", "seen.conf", seen}
	early := part{"upstart-job", "early.conf", job("early", "ec2-boot-hook")}
	for _, tt := range []struct {
		name  string
		parts []part
		image map[string]string
		// want are lines, in any order, each once and before mountall.
		want []string
		// not must not stand on the console.
		not string
		// late are lines that come once, at any time.
		late []string
	}{
		{name: "a part", parts: []part{watch, early}, want: []string{"early: runs"}},
		{name: "write_files beside a part", parts: []part{watch, early, file("/etc/init/hookjob.conf", job("hookjob", "ec2-boot-hook"))},
			want: []string{"early: runs", "hookjob: runs"}},
		{name: "write_files alone", parts: []part{watch, file("/etc/init/hookjob.conf", job("hookjob", "ec2-boot-hook"))}, want: []string{"hookjob: runs"}},
		{name: "written by a boothook", parts: []part{watch, {"cloud-boothook", "hook", "#!/bin/sh\ncat >/etc/init/hookjob.conf <<'END'\n" + job("hookjob", "ec2-boot-hook") + "END\n"}},
			want: []string{"hookjob: runs"}},
		{name: "the image", parts: []part{watch}, image: map[string]string{"/etc/init/own.conf": job("own", "ec2-boot-hook")}, want: []string{"own: runs"}},
		{name: "a directory of the image", parts: []part{watch}, image: map[string]string{"/etc/init/sub/own.conf": job("own", "ec2-boot-hook")}, want: []string{"own: runs"}},
		{name: "an override of the image", parts: []part{watch},
			image: map[string]string{"/etc/init/own.conf": job("own", "never"), "/etc/init/own.override": "start on ec2-boot-hook\n"}, want: []string{"own: runs"}},
		{name: "a job that begins with one on the event", parts: []part{watch, early, {"upstart-job", "first.conf", job("first", "starting early")}},
			want: []string{"first: runs", "early: runs"}},
		{name: "jobs that a job on the event writes, starts and wakes",
			parts: []part{watch, {"upstart-job", "early.conf", `start on ec2-boot-hook
task
console output
script
	mount -o remount,rw / || true
	cat >/etc/init/written.conf <<'END'
` + job("written", "own-event") + `END
	initctl reload-configuration
	initctl emit own-event
	start asked
	echo "early: runs"
end script
`}, {"upstart-job", "asked.conf", "task\nconsole output\nexec echo \"asked: runs\"\n"}},
			want: []string{"written: runs", "asked: runs", "early: runs"}},
		{name: "the Lucid specification's job", parts: []part{watch, early, {"upstart-job", "lucid.conf",
			"start on (mounted MOUNTPOINT=/ and net-device-up IFACE=eth0)\ntask\nconsole output\nscript\n\tinitctl emit ec2-boot-hook\nend script\n"}},
			late: []string{"early: runs"}},
		{name: "an override part", parts: []part{watch, early, {"upstart-job", "cron.override", "manual"}}, want: []string{"early: runs"}, not: "seen: cron begins"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			console, took := k.boot(t, parts(tt.parts...), tt.image, patience)
			t.Logf("login after %v", took.Round(time.Second))
			first := strings.Index(console, "seen: mountall begins")
			if first < 0 {
				t.Fatalf("mountall was not seen:\n%s", tail(console))
			}
			for _, line := range append(tt.want, tt.late...) {
				if n := strings.Count(console, line); n != 1 {
					t.Errorf("%q stands there %d times", line, n)
				}
			}
			for _, line := range tt.want {
				if at := strings.Index(console, line); at > first {
					t.Errorf("%q comes after mountall", line)
				}
			}
			if tt.not != "" && strings.Contains(console, tt.not) {
				t.Errorf("%q stands there", tt.not)
			}
			if t.Failed() {
				t.Logf("console:\n%s", regexp.MustCompile(`(?m)^.*(seen|runs|boothook).*$`).FindAllString(console, -1))
			}
		})
	}
}

// A job on the event that never ends holds the boot for ten minutes of the
// guest's clock and no longer.
func TestHookHangs(t *testing.T) {
	k := newKit(t)
	console, took := k.boot(t, parts(part{"upstart-job", "seen.conf", seen},
		part{"upstart-job", "hangs.conf", "start on ec2-boot-hook\ntask\nexec sleep 100000\n"}), nil, 20*time.Minute)
	t.Logf("login after %v", took.Round(time.Second))
	if took < 9*time.Minute || took > 15*time.Minute {
		t.Errorf("the boot went on after %v", took)
	}
	if !strings.Contains(console, "seen: mountall begins") {
		t.Errorf("mountall was not seen:\n%s", tail(console))
	}
}
