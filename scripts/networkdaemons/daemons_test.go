//go:build daemons

package networkdaemons

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"boothook/injector/network"
)

// patience is how long a daemon may take until all is there. It is generous: a
// test that finds what it wants goes on at once. The guest is many times slower.
func patience() time.Duration {
	if os.Getenv(inGuest) != "" {
		return 2 * time.Minute
	}
	return 25 * time.Second
}

// cases are the documents that are shown, in the guest others than outside.
func cases() (files []string, least int) {
	dir, least := "testdata", 25
	if os.Getenv(inGuest) != "" {
		dir, least = "testdata/guest", 8
	}
	files, _ = filepath.Glob(dir + "/*.txtar") // the pattern is well-formed
	return files, least
}

// A daemon is one to be shown files.
type daemon struct {
	name, release, renderer string
	// start is a shell script that starts the daemon in the chroot $C and
	// returns; its output is shown when the test fails.
	start string
	// dns is a shell script that prints name servers, if the daemon tells them.
	dns string
}

const (
	startNetworkd = `mkdir -p $C/run/systemd/netif/links $C/run/systemd/netif/leases $C/run/systemd/netif/lldp
chroot $C chown -R systemd-network:systemd-network /run/systemd/netif
SYSTEMD_LOG_LEVEL=info chroot $C $(cd $C && ls usr/lib/systemd/systemd-networkd lib/systemd/systemd-networkd 2>/dev/null | head -n 1 | sed 's|^|/|') &`
	startIfupdown = `mkdir -p $C/run/network
printf 'auto lo\niface lo inet loopback\nsource /etc/network/interfaces.d/*\n' >$C/etc/network/interfaces
chroot $C ifup -a &`
	startManager = `mkdir -p $C/run/dbus
chroot $C dbus-daemon --system --fork --nopidfile
chroot $C NetworkManager --debug &`
	startNetplan = `chroot $C /usr/libexec/netplan/generate
` + startNetworkd
)

func daemons() []daemon {
	const links = `for f in $C/run/systemd/netif/links/*; do sed -n 's/^DNS=//p' $f; done`
	return []daemon{
		{"networkd-12", "bookworm", "networkd", startNetworkd, links},
		{"networkd-13", "trixie", "networkd", startNetworkd, links},
		{"ifupdown-12", "bookworm", "eni", startIfupdown, ""},
		{"ifupdown-13", "trixie", "eni", startIfupdown, ""},
		{"NetworkManager-13", "trixie", "network-manager", startManager, `sed -n 's/^nameserver //p' $C/run/NetworkManager/resolv.conf`},
		{"netplan-13", "trixie", "netplan", startNetplan, links},
	}
}

// chroot makes a Debian, once.
func chroot(t *testing.T, release string) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("../../build/daemons", release))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir + ".complete"); err == nil {
		return dir
	}
	os.RemoveAll(dir)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	include := "systemd,ifupdown,ifenslave,vlan,bridge-utils,procps,isc-dhcp-client,iproute2,dbus,ethtool"
	if release == "trixie" {
		include += ",network-manager,netplan-generator"
	}
	cmd := exec.Command("mmdebstrap", "--quiet", "--mode=root", "--variant=apt", "--include="+include,
		"--aptopt=APT::Install-Recommends \"false\"", release, dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("mmdebstrap: %v\n%s", err, out)
	}
	// networkd refuses to work without one.
	for path, text := range map[string]string{dir + "/etc/machine-id": "0123456789abcdef0123456789abcdef\n", dir + ".complete": ""} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// setup prepares the namespaces, in which a shell then holds them open. The
// links' other ends are in a network namespace of their own. Where /sys is
// read-only a daemon does not wait for udev; ifupdown's hooks write there.
const setup = `set -e
mount --bind $C $C
mount -t proc proc $C/proc
mount -t sysfs -o $SYS sysfs $C/sys
mount -t tmpfs tmpfs $C/run
for d in systemd/network NetworkManager/system-connections network/interfaces.d netplan; do
	mkdir -p $C/etc/$d
	mount -t tmpfs tmpfs $C/etc/$d
done
(cd $F && find . -type f) | while read -r f; do
	mkdir -p "$C/$(dirname "$f")"
	cp -p "$F/$f" "$C/$f"
done
ip link set lo up
ip link add eth0 type veth peer name p0
ip link add eth1 type veth peer name p1
unshare -n sh -c 'echo $$ >'$W'/peer; while [ ! -e '$W'/moved ]; do sleep 0.05; done
	ip link set lo up; ip addr add 10.50.0.1/24 dev p0; ip link set p0 up; ip link set p1 up
	exec dnsmasq --no-daemon --port=0 --interface=p0 --leasefile-ro --pid-file= --user=root --dhcp-authoritative \
		--dhcp-range=10.50.0.50,10.50.0.50,1h --dhcp-option=option:dns-server,10.50.0.53 --dhcp-option=option:mtu,1460' >$W/dnsmasq.log 2>&1 &
while [ ! -s $W/peer ]; do sleep 0.05; done
ip link set p0 netns $(cat $W/peer)
ip link set p1 netns $(cat $W/peer)
touch $W/moved
`

// A run is a daemon at work.
type run struct {
	t    *testing.T
	dir  string // what is shared with the namespaces
	pid  int
	d    daemon
	root string
	cmd  *exec.Cmd
}

func start(t *testing.T, d daemon, files string) *run {
	t.Helper()
	r := &run{t: t, d: d, dir: t.TempDir(), root: chroot(t, d.release)}
	script := setup + d.start + "\ntouch $W/started\nexec sleep 600\n"
	cmd := exec.Command("unshare", "-n", "-m", "-p", "-f", "--kill-child", "--mount-proc", "sh", "-c", script)
	cmd.Env = append(os.Environ(), "C="+r.root, "F="+files, "W="+r.dir, "SYS="+map[bool]string{true: "rw", false: "ro"}[d.renderer == "eni"])
	log, err := os.Create(filepath.Join(r.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.cmd = cmd
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		log.Close()
	})
	for deadline := time.Now().Add(patience()); ; time.Sleep(50 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(r.dir, "started")); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the namespaces are not there:\n%s", r.log())
		}
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	r.pid, _ = strconv.Atoi(strings.TrimSpace(string(children)))
	return r
}

func (r *run) log() string {
	log, _ := os.ReadFile(filepath.Join(r.dir, "log"))
	return string(log)
}

// inside runs a command in the namespaces.
func (r *run) inside(command ...string) []byte {
	args := append([]string{"-t", strconv.Itoa(r.pid), "-n", "-m", "--"}, command...)
	cmd := exec.Command("nsenter", args...)
	cmd.Env = append(os.Environ(), "C="+r.root)
	out, _ := cmd.Output() // an empty answer is told by the comparison
	return out
}

// state is what ip(8) and the daemon report, in words of this test: addresses,
// routes that are not the kernel's own, rules and name servers.
func (r *run) state() []string {
	set := map[string]bool{}
	var addresses []struct {
		Name string `json:"ifname"`
		MTU  int    `json:"mtu"`
		Info []struct {
			Local  string `json:"local"`
			Prefix int    `json:"prefixlen"`
			Scope  string `json:"scope"`
			Label  string `json:"label"`
		} `json:"addr_info"`
	}
	json.Unmarshal(r.inside("ip", "-j", "addr"), &addresses)
	for _, a := range addresses {
		if a.MTU != 1500 && a.Name != "lo" {
			set[fmt.Sprintf("mtu %s %d", a.Name, a.MTU)] = true
		}
		for _, i := range a.Info {
			if i.Scope == "link" || i.Local == "127.0.0.1" || i.Local == "::1" {
				continue
			}
			set[fmt.Sprintf("address %s %s/%d", a.Name, i.Local, i.Prefix)] = true
			if i.Label != "" && i.Label != a.Name {
				set["label "+i.Local+" "+i.Label] = true
			}
		}
	}
	r.links(set)
	for _, family := range []string{"-4", "-6"} {
		r.routes(family, set)
		r.rules(family, set)
	}
	if r.d.dns != "" {
		for _, s := range strings.Fields(string(r.inside("sh", "-c", r.d.dns))) {
			set["dns "+s] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// links tells the kind of each link that is not a NIC, what it is told of that
// kind, and in which other link it is.
func (r *run) links(set map[string]bool) {
	var links []struct {
		Name   string `json:"ifname"`
		Below  string `json:"link"`
		Master string `json:"master"`
		Info   struct {
			Kind string         `json:"info_kind"`
			Data map[string]any `json:"info_data"`
		} `json:"linkinfo"`
	}
	json.Unmarshal(r.inside("ip", "-j", "-d", "link"), &links)
	for _, l := range links {
		if l.Master != "" {
			set["member "+l.Name+" of "+l.Master] = true
		}
		if l.Info.Kind == "" || l.Info.Kind == "veth" {
			continue
		}
		set["link "+l.Name+" "+l.Info.Kind] = true
		if l.Below != "" {
			set["link "+l.Name+" on "+l.Below] = true
		}
		for key, value := range l.Info.Data {
			set[fmt.Sprintf("link %s %s %v", l.Name, key, value)] = true
		}
	}
}

func (r *run) routes(family string, set map[string]bool) {
	var routes []map[string]any
	json.Unmarshal(r.inside("ip", "-j", "-d", family, "route", "show", "table", "all"), &routes)
	for _, route := range routes {
		text := func(key string) string {
			switch v := route[key].(type) {
			case string:
				return v
			case float64:
				return strconv.Itoa(int(v))
			}
			return ""
		}
		kind, to := text("type"), text("dst")
		if text("protocol") == "kernel" || text("table") == "local" || text("protocol") == "ra" || text("protocol") == "dhcp" && text("gateway") == "" || strings.HasPrefix(to, "fe80") || strings.HasPrefix(to, "ff00") || text("dev") == "lo" && kind == "unicast" {
			continue
		}
		if to == "default" {
			to = map[string]string{"-4": "0.0.0.0/0", "-6": "::/0"}[family]
		}
		if !strings.Contains(to, "/") {
			to += map[string]string{"-4": "/32", "-6": "/128"}[family]
		}
		s := "route " + to
		if kind != "unicast" {
			s += " " + kind
		}
		if via := text("gateway"); via != "" {
			s += " via " + via
		}
		if kind == "unicast" {
			s += " dev " + text("dev")
		}
		if flags, _ := route["flags"].([]any); slices.Contains(flags, any("onlink")) {
			s += " onlink"
		}
		if table := text("table"); table != "" && table != "main" {
			s += " table " + table
		}
		set[s] = true
		if metric := text("metric"); metric != "" {
			set["metric "+to+" "+metric] = true
		}
		if src := text("prefsrc"); src != "" {
			set["src "+to+" "+src] = true
		}
		if metrics, ok := route["metrics"].([]any); ok {
			for _, m := range metrics {
				for k, v := range m.(map[string]any) {
					set[fmt.Sprintf("%s %s %v", k, to, v)] = true
				}
			}
		}
	}
}

func (r *run) rules(family string, set map[string]bool) {
	var rules []struct {
		Priority int    `json:"priority"`
		From     string `json:"src"`
		FromLen  int    `json:"srclen"`
		To       string `json:"dst"`
		ToLen    int    `json:"dstlen"`
		Table    string `json:"table"`
		Mark     string `json:"fwmark"`
		TOS      string `json:"tos"`
	}
	json.Unmarshal(r.inside("ip", "-j", family, "rule"), &rules)
	for _, u := range rules {
		if u.Priority == 0 || u.Priority >= 32766 {
			continue
		}
		s := fmt.Sprintf("rule %d from %s", u.Priority, u.From)
		if u.FromLen > 0 {
			s += "/" + strconv.Itoa(u.FromLen)
		}
		if u.To != "" {
			s += " to " + u.To
			if u.ToLen > 0 {
				s += "/" + strconv.Itoa(u.ToLen)
			}
		}
		if u.Mark != "" {
			s += " fwmark " + u.Mark
		}
		if u.TOS != "" {
			s += " tos " + u.TOS
		}
		set[strings.TrimSpace(s+" table "+u.Table)] = true
	}
}

// TestDaemons shows each document to each daemon.
func TestDaemons(t *testing.T) {
	files, least := cases()
	if len(files) < least {
		t.Fatalf("%d cases of at least %d are there", len(files), least)
	}
	for _, d := range daemons() {
		for _, file := range files {
			t.Run(d.name+"/"+strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { show(t, d, file) })
		}
	}
}

func show(t *testing.T, d daemon, file string) {
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]string{}
	for _, f := range a.Files {
		parts[f.Name] = string(f.Data)
	}
	doc, _ := network.Read([]byte(parts["net"]), "network-config")
	result := network.Plan(doc, nil, d.renderer, nil)
	want := wanted(parts["want"], d)
	refused := slices.ContainsFunc(want, func(s string) bool { return s == "refused" })
	for _, p := range result.Problems {
		if !p.Warning && !refused {
			t.Errorf("%v", p)
		}
	}
	if refused {
		if len(result.Problems) == 0 {
			t.Error("nothing is said")
		}
		return
	}
	dir := t.TempDir()
	for _, s := range result.Steps {
		path := filepath.Join(dir, s.Path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, s.Body, os.FileMode(s.Mode)); err != nil {
			t.Fatal(err)
		}
	}
	r := start(t, d, dir)
	var got []string
	for deadline := time.Now().Add(patience()); ; time.Sleep(200 * time.Millisecond) {
		if got = relevant(r.state(), want, d); slices.Equal(got, want) {
			// It must stay so.
			time.Sleep(time.Second)
			if got = relevant(r.state(), want, d); slices.Equal(got, want) {
				return
			}
		}
		if time.Now().After(deadline) {
			break
		}
	}
	var texts bytes.Buffer
	for _, s := range result.Steps {
		fmt.Fprintf(&texts, "== %s\n%s", s.Path, s.Body)
	}
	t.Errorf("reported\n  %s\nwanted\n  %s\nof\n%s\n%s\nits log\n%s", strings.Join(got, "\n  "), strings.Join(want, "\n  "), parts["net"], texts.String(), r.log())
}

// wanted are the lines that a case wants of a daemon; "@NAME LINE" is for
// daemons whose name begins so, "!NAME LINE" for all others.
func wanted(text string, d daemon) []string {
	var out []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if name, rest, ok := strings.Cut(line, " "); ok && (line[0] == '@' || line[0] == '!') {
			if (line[0] == '@') != strings.HasPrefix(d.name, name[1:]) {
				continue
			}
			line = rest
		}
		if line == "" || strings.HasPrefix(line, "dns ") && d.dns == "" {
			continue
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}

// relevant leaves out of what is reported what a document says nothing of:
// metrics, preferred sources and sizes of packets, unless the case wants some.
func relevant(got, want []string, d daemon) []string {
	var out []string
	for _, line := range got {
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "address", "route", "rule", "dns", "mtu", "label":
			if word != "mtu" || len(strings.Fields(rest)) == 2 {
				out = append(out, line)
				continue
			}
		}
		if slices.Contains(want, line) {
			out = append(out, line)
		}
	}
	return out
}
