package boottest

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An earlyRow is one thing that user-data asks for and that has to hold from
// the first boot's first moment on.
type earlyRow struct {
	item string
	// userData is a line of cloud-config. ${NAME} is filled in for each run.
	userData string
	// at is a script that the image's own witness runs when sysinit.target
	// has been reached and before any ordinary service starts; ask runs when
	// the system is up. What neither tells is seen from outside: see outside.
	at, ask string
	proof   string
	// want is what the first boot shows, without what a boot of the same
	// image without the user-data shows.
	want, without string
}

// earlyRows is the table of docs/early.md.
func earlyRows() []earlyRow {
	const unit = "/etc/systemd/system/"
	return []earlyRow{
		{item: "default target", userData: `boothook: {target: multi-user}`,
			ask:   `echo "$(systemctl get-default), graphical.target $(systemctl is-active graphical.target)"`,
			proof: "what systemd calls the default, and whether it went on to graphical.target",
			want:  "multi-user.target, graphical.target inactive", without: "graphical.target, graphical.target active"},
		{item: "udev rule", userData: write("/etc/udev/rules.d/70-early.rules", `KERNEL=="vda", SUBSYSTEM=="block", SYMLINK+="early-disk"`),
			at: `readlink /dev/early-disk || echo none`, proof: "link in /dev at sysinit.target", want: "vda", without: "none"},
		{item: "`.link` file", userData: write("/etc/systemd/network/10-early.link", "[Match]", "MACAddress=${MAC}", "[Link]", "Name=early0"),
			at: `ls /sys/class/net | paste -sd ' '`, proof: "names of the NICs at sysinit.target", want: "early0 lo", without: "enp0s1 lo"},
		{item: "fstab entry", userData: `mounts: [[tmpfs, /srv/early, tmpfs, "size=1m"]]`,
			at:    `findmnt -rno FSTYPE,TARGET /srv/early && systemctl show -P SourcePath srv-early.mount || echo none`,
			proof: "mounted at sysinit.target, by the unit of the fstab generator", want: "tmpfs /srv/early /etc/fstab", without: "none"},
		{item: "sysctl", userData: write("/etc/sysctl.d/70-early.conf", "vm.swappiness = 7"),
			at: `cat /proc/sys/vm/swappiness`, proof: "value at sysinit.target", want: "7", without: "60"},
		{item: "kernel module option", userData: write("/etc/modprobe.d/early.conf", "options loop max_loop=3"),
			at: `modprobe loop; cat /sys/module/loop/parameters/max_loop`, proof: "the module's own parameter at sysinit.target", want: "3", without: "8"},
		{item: "module to load", userData: write("/etc/modules-load.d/early.conf", "tun"),
			at: `cut -d ' ' -f 1 /proc/modules | grep -x tun || echo none`, proof: "in /proc/modules at sysinit.target", want: "tun", without: "none"},
		{item: "journald configuration", userData: write("/etc/systemd/journald.conf.d/early.conf", "[Journal]", "ReadKMsg=no"),
			ask:   `journalctl -b -o export --no-pager | sed -n 's/^_TRANSPORT=//p' | head -n 1`,
			proof: "transport of the journal's first line of this boot: the kernel's are not to be read", want: "driver", without: "kernel"},
		{item: "hostname, in the log", userData: `hostname: early-host`,
			ask:   `echo "$(journalctl -b -o short --no-pager | head -n 1 | cut -d ' ' -f 4), in all $(journalctl -b -F _HOSTNAME | paste -sd ' ')"`,
			proof: "name in the journal's first line, and all names in it", want: "early-host, in all early-host", without: "debian, in all debian"},
		{item: "hostname, in the first DHCP request", userData: `hostname: early-host`,
			proof: "option 12 of the first DHCP packet after systemd's first word", want: "early-host", without: "debian"},
		{item: "network configuration", userData: write("/etc/systemd/network/10-early.network", "[Match]", "MACAddress=${MAC}", "[Network]", "DHCP=yes", "[DHCPv4]", "VendorClassIdentifier=early"),
			proof: "option 60 (vendor class) of the same packet", want: "early", without: "none"},
		{item: "machine-id", userData: `write_files: [{path: /etc/machine-id, permissions: "0444", content: "0123456789abcdef0123456789abcdef\n"}]`,
			ask:   `id=$(journalctl -b -o export --no-pager | sed -n 's/^_MACHINE_ID=//p' | head -n 1); [ $id = 0123456789abcdef0123456789abcdef ] && echo given || echo another`,
			proof: "machine-id of the journal's first line", want: "given", without: "another"},
		{item: "masked service", userData: `boothook: {mask: [e2scrub_reap.service]}`,
			ask:   `s=e2scrub_reap; [ "$(systemctl show -P ExecMainStartTimestampMonotonic $s)" -gt 0 ] 2>/dev/null && ran=started || ran='never started'; echo "$(systemctl show -P LoadState $s), $ran"`,
			proof: "what systemd says of it when the system is up", want: "masked, never started", without: "loaded, started"},
		{item: "disabled timer", userData: `boothook: {disable: [apt-daily.timer]}`,
			ask:   `echo "$(systemctl is-enabled apt-daily.timer) $(systemctl is-active apt-daily.timer)"`,
			proof: "what systemd says of it when the system is up", want: "disabled inactive", without: "enabled active"},
		{item: "unit, enabled", userData: write(unit+"early.service", "[Unit]", "DefaultDependencies=no", "Before=sysinit.target", "[Service]", "Type=oneshot",
			"RemainAfterExit=yes", "ExecStart=/bin/true", "[Install]", "WantedBy=sysinit.target") + "\nboothook: {enable: [early.service]}",
			at: `systemctl is-active early.service`, proof: "state at sysinit.target", want: "active", without: "inactive"},
		{item: "drop-in", userData: write(unit+"ssh.service.d/early.conf", "[Service]", "Nice=5"),
			ask: `ps -o ni= -p $(systemctl show -P MainPID ssh.service)`, proof: "sshd's nice value", want: "5", without: "0"},
		{item: "timer, enabled", userData: files(file(unit+"early-tick.timer", "[Timer]", "OnActiveSec=1s", "[Install]", "WantedBy=timers.target"),
			file(unit+"early-tick.service", "[Service]", "ExecStart=/bin/touch /run/early-tick")) + "\nboothook: {enable: [early-tick.timer]}",
			ask: `ls /run/early-tick 2>/dev/null || echo none`, proof: "what its service makes", want: "/run/early-tick", without: "none"},
		{item: "socket, enabled", userData: files(file(unit+"early.socket", "[Socket]", "ListenStream=/run/early.sock", "Accept=yes", "[Install]", "WantedBy=sockets.target"),
			file(unit+"early@.service", "[Service]", "ExecStart=/bin/echo hello", "StandardOutput=socket")) + "\nboothook: {enable: [early.socket]}",
			ask: `curl -s --http0.9 --max-time 20 --unix-socket /run/early.sock http://x/ 2>/dev/null | grep . || echo none`, proof: "what a client of it hears", want: "hello", without: "none"},
		{item: "mount unit, enabled", userData: write(unit+"srv-unit.mount", "[Mount]", "What=tmpfs", "Where=/srv/unit", "Type=tmpfs", "[Install]", "WantedBy=local-fs.target") +
			"\nboothook: {enable: [srv-unit.mount]}",
			at: `findmnt -rno FSTYPE,TARGET /srv/unit || echo none`, proof: "mounted at sysinit.target", want: "tmpfs /srv/unit", without: "none"},
		{item: "sysusers.d", userData: write("/etc/sysusers.d/early.conf", `u early-daemon - "Of user-data"`),
			at: `getent passwd early-daemon | cut -d : -f 1,5 | grep . || echo none`, proof: "account at sysinit.target", want: "early-daemon:Of user-data", without: "none"},
		{item: "tmpfiles.d", userData: write("/etc/tmpfiles.d/early.conf", "d /run/early-dir 0711 root root"),
			at: `stat -c %a /run/early-dir 2>/dev/null || echo none`, proof: "directory at sysinit.target", want: "711", without: "none"},
		{item: "sshd's port", userData: write("/etc/ssh/sshd_config.d/early.conf", "Port 2222", "AllowUsers debian"),
			proof: "dialled from outside since power-on", want: "22 is silent, 2222 speaks", without: "22 speaks, 2222 is silent"},
		{item: "sshd's host key", userData: `ssh_keys: {ed25519_private: ${HOSTKEY}, ed25519_public: ${HOSTKEY.PUB}}`,
			proof: "a client that accepts the given key only", want: "let in", without: "Host key verification failed."},
		{item: "sshd's allowed users", userData: write("/etc/ssh/sshd_config.d/early.conf", "Port 2222", "AllowUsers debian"),
			proof: "a login as root, whose key is in the image", want: "Permission denied", without: "let in"},
		{item: "user for the first getty", userData: `users: [{name: early, shell: /bin/bash, lock_passwd: false, passwd: "` + earlyHash + `"}]`,
			ask:   `echo "getty restarts: $(systemctl show -P NRestarts serial-getty@ttyS0)"`,
			proof: "name and password typed at the serial console's first prompt; then who has a shell there", want: "early on /dev/ttyS0; getty restarts: 0", without: "Login incorrect; getty restarts: 0"},
	}
}

// sysvinitRows is the table's second part. All of it is seen on the console.
func sysvinitRows() []earlyRow {
	return []earlyRow{
		{item: "runlevel", userData: `boothook: {target: 3}`,
			proof: "what init says", want: "INIT: Entering runlevel: 3", without: "INIT: Entering runlevel: 2"},
		{item: "disabled service", userData: `boothook: {disable: [ssh]}`,
			proof: "what its script says when it starts", want: "none", without: "Starting OpenBSD Secure Shell server: sshd"},
		{item: "service, enabled", userData: `write_files: [{path: /etc/init.d/early, permissions: "0755", content: "#!/bin/sh\necho \"service of mine: $1\" >/dev/console\n"}]` +
			"\nboothook: {enable: [early]}",
			proof: "what its script says", want: "service of mine: start", without: "none"},
		{item: "hostname, at the first getty", userData: `hostname: early-host`,
			proof: "its first prompt", want: "early-host login:", without: "debian login:"},
	}
}

// The password of the table's user, and its hash.
const (
	earlyPassword = "worm 4 breakfast"
	earlyHash     = "$6$earlybird$aLInM6drfVtNh5uoMPkNJmYtLjgCg.eM4y6x5LbRaoi2.UqixWNtSOxCceyLULeIJQ7G3NgQk5i5ouF0woLQi0"
)

// files is the cloud-config that writes files.
func files(list ...string) string { return "write_files: [" + strings.Join(list, ", ") + "]" }

func file(path string, lines ...string) string {
	return fmt.Sprintf(`{path: %q, content: %q}`, path, strings.Join(lines, "\n")+"\n")
}

func write(path string, lines ...string) string { return files(file(path, lines...)) }

// earlyUserData is an archive with one cloud-config for each row, each merged
// with the others and not instead of them, and one more.
func earlyUserData(rows []earlyRow, more string, fill *strings.Replacer) []byte {
	var s strings.Builder
	s.WriteString("#cloud-config-archive\n")
	seen := map[string]bool{}
	for _, r := range append(rows, earlyRow{item: "more", userData: more}) {
		if seen[r.userData] {
			continue
		}
		seen[r.userData] = true
		body := "merge_how: dict(recurse_array)+list(append)\n" + fill.Replace(r.userData) + "\n"
		fmt.Fprintf(&s, "- {type: text/cloud-config, filename: %q, content: %q}\n", r.item, body)
	}
	return []byte(s.String())
}

// earlyTable is the table in Markdown, with what was seen in a boot with and
// in one without the user-data, by item.
func earlyTable(rows []earlyRow, with, without map[string]string) string {
	var s strings.Builder
	s.WriteString("| item | user-data | proof | first boot | the same boot without it |\n|---|---|---|---|---|\n")
	for _, r := range rows {
		data := strings.ReplaceAll(strings.ReplaceAll(r.userData, "|", "\\|"), "\n", "`<br>`")
		fmt.Fprintf(&s, "| %s | `%s` | %s | %s | %s |\n", r.item, data, r.proof, with[r.item], without[r.item])
	}
	return s.String()
}

// wantedTable is what the boots have to come to.
func wantedTable(rows []earlyRow) string {
	with, without := map[string]string{}, map[string]string{}
	for _, r := range rows {
		with[r.item], without[r.item] = r.want, r.without
	}
	return earlyTable(rows, with, without)
}

var updateDocs = flag.Bool("update", false, "rewrite the table in docs/early.md")

// TestEarlyDocument: docs/early.md has the tables that TestEarly and
// TestEarlySysvinit prove.
func TestEarlyDocument(t *testing.T) {
	const doc = "../../docs/early.md"
	text, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for name, rows := range map[string][]earlyRow{"systemd": earlyRows(), "sysvinit": sysvinitRows()} {
		head, rest, ok := strings.Cut(want, "<!-- table: "+name+" -->\n")
		_, foot, ok2 := strings.Cut(rest, "<!-- end -->\n")
		if !ok || !ok2 {
			t.Fatalf("%s has no place for the table %s", doc, name)
		}
		want = head + "<!-- table: " + name + " -->\n" + wantedTable(rows) + "<!-- end -->\n" + foot
		for _, r := range rows {
			if r.want == r.without {
				t.Errorf("%s: what is to be seen does not depend on the user-data", r.item)
			}
		}
	}
	if *updateDocs {
		if err := os.WriteFile(doc, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("%s (-tests +document), rewrite it with -update:\n%s", doc, diff)
	}
}
