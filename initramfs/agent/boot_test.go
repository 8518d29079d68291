package agent

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"boothook/initramfs/latecall"
	"boothook/initramfs/report"
	"boothook/initramfs/words"
	"boothook/injector/root"
	"boothook/injector/state"
	"boothook/netboot/nic"
)

// problems are the messages of a report's problems that have text in them.
func problems(r *report.Report, text string) (found []report.Problem) {
	for _, p := range r.Problems {
		if strings.Contains(p.String(), text) {
			found = append(found, p)
		}
	}
	return found
}

const everything = `#cloud-config
hostname: named
random_seed: {data: entropy}
chpasswd: {users: [{name: root, type: RANDOM}]}
write_files: [{path: /etc/written, content: x}, {path: /etc/modprobe.d/x.conf, content: "options loaded a=1\n"}]
`

// The worker's boot with a seed in the initrd: the late call hands over the
// root, hears of each stage, and the machine is told what only it can be told.
func TestWork(t *testing.T) {
	l := newLab(t, "")
	l.seed(everything)
	write(t, filepath.Join(l.env.Sysfs, "module/loaded/x"), "")
	file, err := latecall.Listen(l.env.path(socketName))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.FileListener(file)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	worked := make(chan error)
	go func() { worked <- work(t.Context(), l.env, listener, time.Second, root.Options{AnyOwner: true}) }()
	var stages []string
	last, err := latecall.Call(t.Context(), l.env.path(socketName), l.root, func(r latecall.Reply) { stages = append(stages, r.Stage) })
	if err := errors.Join(err, <-worked); err != nil || last.Failures != 0 {
		t.Fatalf("%v, %d failures\n%s", err, last.Failures, &l.log)
	}
	want := []string{"looking at the root", "waiting for the network and the user-data", "reading the root", "planning and applying", "leaving the network"}
	if diff := cmp.Diff(want, stages); diff != "" {
		t.Errorf("stages, -want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"hostname named", "seed entropy", "console"}, l.machine.told); diff != "" {
		t.Errorf("told, -want +got:\n%s", diff)
	}
	if text := l.machine.console.String(); !strings.HasPrefix(text, "boothook: password of root: ") {
		t.Errorf("console %q", text)
	}
	if strings.Contains(l.log.String(), strings.TrimSpace(strings.TrimPrefix(l.machine.console.String(), "boothook: password of root: "))) {
		t.Error("the password is in the log")
	}
	r := l.report()
	if r.Result != report.Applied || r.Source != "nocloud" || r.InstanceID != "i-1" || !r.NewInstance || r.Hostname != "named" ||
		len(r.Parts) != 1 || len(r.Steps) == 0 || !slices.ContainsFunc(r.Timeline, func(m report.Mark) bool { return m.Stage == "early call" && m.Seconds == 1 }) {
		t.Errorf("report %+v", r)
	}
	if p := problems(r, "already, without these options"); len(p) != 1 || !p[0].Warning {
		t.Errorf("problems %v", r.Problems)
	}
	if kept, err := report.Decode([]byte(l.read(filepath.Join(l.root, report.KeptPath)))); err != nil || kept.Result != report.Applied {
		t.Errorf("kept %+v, %v", kept, err)
	}
	if got := l.read(filepath.Join(l.root, "etc/written")); got != "x" {
		t.Errorf("written %q", got)
	}
}

// What the machine refuses to be told is said, and costs nothing else.
func TestMachineRefuses(t *testing.T) {
	l := newLab(t, "")
	l.seed(everything)
	for _, method := range []string{"hostname", "seed", "console"} {
		l.machine.refusals[method] = errors.New(method + " is broken")
	}
	if r := l.run(); r.Result != report.Applied {
		t.Errorf("report %+v", r)
	}
	for _, want := range []string{"hostname is broken", "seed is broken", "no console to show them on: console is broken"} {
		if !strings.Contains(l.log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, &l.log)
		}
	}
}

// What kernel words and faults of the root make of a boot with a seed.
func TestResults(t *testing.T) {
	for _, tt := range []struct {
		name, words string
		prepare     func(*lab)
		want        report.Result
		problem     string
		written     bool
	}{
		{name: "a seed in the initrd", want: report.Applied, written: true},
		{name: "off", words: "boothook=off", want: report.NoPlatform},
		{name: "dry run", words: "boothook=dry-run", want: report.DryRun},
		{name: "no evidence", prepare: func(l *lab) { os.RemoveAll(filepath.Join(l.env.Initrd, bakedSeed)) }, want: report.NoPlatform},
		{name: "a seed that is broken", prepare: func(l *lab) { l.initrd(bakedSeed+"/meta-data", "- a list\n") }, want: report.Failed, problem: "no instance data"},
		{name: "the root cannot be written", prepare: func(l *lab) { l.machine.refusals["write"] = errors.New("worn out") }, want: report.Failed, problem: "worn out"},
		{name: "no root", prepare: func(l *lab) { l.root += "/none" }, want: report.Failed, problem: "no such file"},
		{name: "a dry run without a root", words: "boothook=dry-run", prepare: func(l *lab) { l.root += "/none" }, want: report.Failed, problem: "no such file"},
		{name: "no log for hooks", prepare: func(l *lab) { os.Mkdir(l.env.path(hookLogName), 0o755) }, want: report.Failed, problem: "make the hooks' log"},
		{name: "signatures required", words: "boothook.verify=require", want: report.Failed, problem: "not signed"},
		{name: "a word that nobody knows", words: "boothook.frob=1", want: report.Applied, problem: "no such word", written: true},
		{name: "again", prepare: func(l *lab) {
			if r := l.run(); r.Result != report.Applied {
				l.t.Errorf("the first boot: %+v", r)
			}
		}, want: report.Known, written: true},
		{name: "a bad part", prepare: func(l *lab) {
			l.seed("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/odd\n\ny\n--x--\n")
		}, want: report.Applied, problem: "text/odd"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t, tt.words)
			l.seed("#cloud-config\nwrite_files: [{path: /etc/written, content: x}]\n")
			if tt.prepare != nil {
				tt.prepare(l)
			}
			r := l.run()
			if r.Result != tt.want || tt.problem != "" && len(problems(r, tt.problem)) == 0 || tt.problem == "" && len(r.Problems) > 0 {
				t.Errorf("result %s, problems %v", r.Result, r.Problems)
			}
			if named := tt.want != report.NoPlatform; named != (r.Source == "nocloud") {
				t.Errorf("the source is %q", r.Source)
			}
			if exists(filepath.Join(l.root, "etc/written")) != tt.written {
				t.Errorf("written: %v", !tt.written)
			}
			if got := l.report(); got.Result != tt.want {
				t.Errorf("the report in the run directory says %s", got.Result)
			}
			if tt.want == report.DryRun && exists(filepath.Join(l.root, report.KeptPath)) {
				t.Error("a dry run has written its report into the root")
			}
		})
	}
}

// A root that never comes, and a report that cannot be left, do not hang or
// panic.
func TestNoRootCall(t *testing.T) {
	l := newLab(t, "")
	l.seed("#cloud-config\n{}\n")
	b, err := newBoot(l.env)
	if err != nil {
		t.Fatal(err)
	}
	b.awaitRoot = func(context.Context) (string, error) { return "", errors.New("never mounted") }
	if err := os.RemoveAll(l.env.Run); err != nil {
		t.Fatal(err)
	}
	if r := b.run(t.Context()); r.Result != report.Failed || len(problems(r, "root: never mounted")) != 1 {
		t.Errorf("report %+v", r)
	}
	if !strings.Contains(l.log.String(), "write report") {
		t.Errorf("log %s", &l.log)
	}
}

// Stored data stand in for a source that does not answer, on the machine that
// they are of and on no other.
func TestNoAnswer(t *testing.T) {
	for _, tt := range []struct {
		name, hardwareID string
		want             report.Result
		problem          string
	}{
		{"on this machine", thisMachine, report.Known, "the data stored in the root are used"},
		{"on another machine", otherMachine, report.Failed, "no instance data, neither fetched nor stored"},
		{"a root that was nobody's", "", report.Failed, "no instance data, neither fetched nor stored"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t, "boothook.timeout=100ms")
			l.ec2()
			l.machine.nics = &fakeNICs{}
			if tt.hardwareID != "" {
				live(t, l.root, tt.hardwareID, "", "")
			}
			b, err := newBoot(l.env)
			if err != nil {
				t.Fatal(err)
			}
			b.awaitRoot = func(context.Context) (string, error) { return l.root, nil }
			b.apply = root.Options{AnyOwner: true}
			b.options.Inject.AgainEachBoot = true // so that the known instance asks
			r := b.run(t.Context())
			if r.Result != tt.want && !(tt.want == report.Known && r.Result == report.Applied) || len(problems(r, tt.problem)) == 0 || len(problems(r, "within 100ms")) == 0 {
				t.Errorf("result %s, problems %v", r.Result, r.Problems)
			}
			if !slices.Contains(l.machine.nics.told, "restore") {
				t.Errorf("the network was not put back: %v", l.machine.nics.told)
			}
		})
	}
}

// A web server that holds a seed: what it is asked over the lease, what
// user-data includes, and what becomes of the network.
func TestSeedServer(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/seed/meta-data", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("instance-id: i-web\n")) })
	mux.HandleFunc("/seed/user-data", func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("#include\nhttp://" + r.Host + "/included\n"))
	})
	mux.HandleFunc("/included", func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte("#cloud-config\nwrite_files: [{path: /etc/written, content: x}]\n"))
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	for _, tt := range []struct {
		name, words string
		told        []string
		handedOver  bool
		prepare     func(*lab)
		problem     string
	}{
		{name: "flushed", told: []string{"settle 1", "restore"}},
		{name: "kept", words: " boothook.net=keep", told: []string{"settle 1", "stop"}, handedOver: true},
		{name: "a proxy that makes no sense", words: " proxy=nonsense:a:b", told: []string{"settle 1", "restore"}, problem: "proxy"},
		{name: "cannot be put back", told: []string{"settle 1", "restore"}, prepare: func(l *lab) { l.machine.nics.restoreErr = errors.New("stuck") }, problem: "stuck"},
		{name: "cannot be handed over", words: " boothook.net=keep", told: []string{"settle 1", "stop"},
			prepare: func(l *lab) { l.initrd("run", "a file") }, problem: "hand over the lease"},
		{name: "messages that decoding panics on", told: []string{"settle 1", "restore"}, prepare: func(l *lab) { l.machine.nics.count = 3 }, problem: "panicked on 3 messages"},
		{name: "drivers wait for the coldplug", told: []string{"settle 1", "restore"}, prepare: func(l *lab) { l.env.Coldplug = true }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t, "ds=nocloud;s="+server.URL+"/seed/"+tt.words)
			l.machine.nics = &fakeNICs{leases: []nic.Lease{loopback()}}
			if tt.prepare != nil {
				tt.prepare(l)
			}
			r := l.run()
			if r.Result != report.Applied || r.InstanceID != "i-web" || len(r.Network) != 1 || !r.Network[0].Used || r.Network[0].Gateway != "127.0.0.2" ||
				!slices.Equal(r.Network[0].DNS, []string{"127.0.0.3"}) || r.Fetch == nil || r.Fetch.Requests < 3 {
				t.Errorf("report %+v, problems %v", r, r.Problems)
			}
			if tt.problem == "" && len(r.Problems) > 0 || tt.problem != "" && len(problems(r, tt.problem)) != 1 {
				t.Errorf("problems %v", r.Problems)
			}
			if diff := cmp.Diff(tt.told, l.machine.nics.told); diff != "" {
				t.Errorf("NICs, -want +got:\n%s", diff)
			}
			if got := l.read(filepath.Join(l.root, "etc/written")); got != "x" {
				t.Errorf("written %q", got)
			}
			files, _ := filepath.Glob(filepath.Join(l.env.Initrd, "run/net-*.conf"))
			if (len(files) > 0) != tt.handedOver {
				t.Errorf("handed over: %v", files)
			}
			coldplug := "raise 0s"
			if l.env.Coldplug {
				coldplug = "raise 20s"
			}
			if l.machine.told[0] != coldplug {
				t.Errorf("machine %v", l.machine.told)
			}
		})
	}
}

// A seed in the root counts, and so does what lies in the directory that the
// kernel's words name; neither needs the network.
func TestSeedInTheRoot(t *testing.T) {
	for _, tt := range []struct{ name, words, dir string }{
		{"where cloud-init has it", "", "var/lib/cloud/seed/nocloud"},
		{"where the words say", "ds=nocloud;s=/srv/seed/", "srv/seed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t, tt.words)
			write(t, filepath.Join(l.root, tt.dir, "meta-data"), "instance-id: i-root\n")
			write(t, filepath.Join(l.root, tt.dir, "user-data"), "#cloud-config\nhostname: rooted\n")
			l.env.Seeded = true
			if r := l.run(); r.Result != report.Applied || r.InstanceID != "i-root" || r.Hostname != "rooted" {
				t.Errorf("report %+v", r)
			}
			if slices.Contains(l.machine.told, "raise 0s") {
				t.Errorf("the network was raised: %v", l.machine.told)
			}
		})
	}
}

// What the image's own cloud.cfg says counts as a seed, also where nothing else
// says what the machine is.
func TestSeedInCloudConfig(t *testing.T) {
	for name, text := range map[string]string{
		"i-cfg":               "datasource: {NoCloud: {user-data: \"#cloud-config\\nhostname: rooted\\n\", meta-data: {instance-id: i-cfg}}}\n",
		"iid-datasource-none": "datasource_list: [None]\ndatasource: {None: {userdata_raw: {hostname: rooted}, metadata: {instance-id: x}}}\n",
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, "")
			write(t, filepath.Join(l.root, "etc/cloud/cloud.cfg.d/99.cfg"), text)
			if l.env.Seeded = l.env.hasSeed(&words.Options{}, l.root); !l.env.Seeded {
				t.Fatal("no seed")
			}
			if r := l.run(); r.Result != report.Applied || r.InstanceID != name || r.Hostname != "rooted" {
				t.Errorf("report %+v", r)
			}
		})
	}
}

// By hand the same boot runs on a directory, with the words that were given.
func TestRunByHand(t *testing.T) {
	l := newLab(t, "")
	l.env.ByHand, l.env.Cmdline = true, "boothook=dry-run"
	write(t, filepath.Join(l.root, "var/lib/cloud/seed/nocloud/meta-data"), "instance-id: i-hand\n")
	write(t, filepath.Join(l.root, "var/lib/cloud/seed/nocloud/user-data"), "#cloud-config\nhostname: h\n")
	r, err := RunByHand(t.Context(), l.env, l.root)
	if err != nil || r.Result != report.DryRun || r.InstanceID != "i-hand" {
		t.Errorf("%+v, %v", r, err)
	}
	l.env.Run = filepath.Join(l.root, "etc/passwd")
	if _, err := RunByHand(t.Context(), l.env, l.root); err == nil {
		t.Error("a file was taken for the run directory")
	}
}

// The words are the kernel's and those that were baked in.
func TestWords(t *testing.T) {
	l := newLab(t, "boothook.verify=off")
	l.initrd(bakedWords, "boothook.verify=require")
	if o, err := l.env.Words(); err != nil || !o.Inject.RequireSigned {
		t.Errorf("%+v, %v", o, err)
	}
	if err := os.Remove(filepath.Join(l.env.Initrd, bakedWords)); err != nil {
		t.Fatal(err)
	}
	if o, err := l.env.Words(); err != nil || o.Inject.RequireSigned {
		t.Errorf("%+v, %v", o, err)
	}
	l.initrd(bakedWords+"/x", "")
	if _, err := l.env.Words(); err == nil {
		t.Error("a directory was read as words")
	}
	l.env.Initrd = t.TempDir()
	for name, call := range map[string]func() error{
		"words": func() error { _, err := l.env.Words(); return err },
		"early": func() error { return Early(l.env) },
		"late":  func() error { return Late(t.Context(), l.env, l.root) },
		"boot":  func() error { _, err := newBoot(l.env); return err },
	} {
		if err := call(); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s without a command line: %v", name, err)
		}
	}
}

// What kernel words and the initrd make of the NICs.
func TestLinks(t *testing.T) {
	config := base64.StdEncoding.EncodeToString([]byte("version: 2\nethernets:\n  eth0: {addresses: [192.0.2.5/24]}\nvlans:\n  v: {id: 7, link: eth0, dhcp4: true}\n"))
	static := nic.Config{Device: "eth0", Method: nic.MethodStatic, Prefix: netip.MustParsePrefix("192.0.2.5/24")}
	for _, tt := range []struct {
		name, words, config string
		around              surrounding
		want                nic.Options
		fails               bool
	}{
		{name: "nothing said", want: nic.Options{}},
		{name: "by hand", around: surrounding{byHand: true, udevd: true}, want: nic.Options{Virtual: true}},
		{name: "a udevd", around: surrounding{udevd: true}, want: nic.Options{UdevWait: udevWait}},
		{name: "one NIC", words: "boothook.nic=eth1", want: nic.Options{Only: "eth1"}},
		{name: "somebody else's stack", words: "nfsroot=/x ip=dhcp", want: nic.Options{AdoptOnly: true}},
		{name: "an address that nobody else obeys", words: "ip=dhcp", want: nic.Options{Configs: []nic.Config{{Method: nic.MethodDHCP}}}},
		{name: "an address that dropbear's initrd obeys", words: "ip=dhcp vlan=eth0.5:eth0", around: surrounding{reached: true}, want: nic.Options{AdoptOnly: true}},
		{name: "our own word", words: "ip=off boothook.ip=dhcp", around: surrounding{reached: true}, want: nic.Options{Configs: []nic.Config{{Method: nic.MethodDHCP}}}},
		{name: "a VLAN", words: "vlan=eth0.5:eth0", want: nic.Options{VLANs: []nic.VLAN{{Name: "eth0.5", Over: "eth0", Tag: 5}}}},
		{name: "network-config=", config: config, want: nic.Options{VLANs: []nic.VLAN{{Name: "v", Over: "eth0", Tag: 7}}, Configs: []nic.Config{static, {Method: nic.MethodDHCP}}}},
		{name: "network-config= that is broken", config: "%", want: nic.Options{}},
		{name: "a bad address", words: "boothook.ip=nonsense::", fails: true},
		{name: "a bad VLAN", words: "vlan=nonsense", fails: true},
	} {
		o := words.Parse("", tt.words)
		got, err := links(nic.Options{}, &o.Net, tt.config, tt.around)
		if (err != nil) != tt.fails {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" && !tt.fails {
			t.Errorf("%s: -want +got:\n%s", tt.name, diff)
		}
	}
	l := newLab(t, "")
	l.initrd("/usr/sbin/dropbear", "")
	l.initrd("/lib/systemd/systemd-udevd", "")
	if got, want := l.env.surrounding(), (surrounding{reached: true, udevd: true}); got != want {
		t.Errorf("surrounding %+v", got)
	}
}

// A word about NICs that makes no sense costs the network, not what needs none.
func TestBadLinkWords(t *testing.T) {
	l := newLab(t, "boothook.timeout=1s boothook.ip=nonsense::")
	l.ec2()
	l.machine.nics = &fakeNICs{}
	if r := l.run(); r.Result != report.Failed || len(problems(r, "ip=: ")) == 0 {
		t.Errorf("%s, %v", r.Result, r.Problems)
	}
	if len(l.machine.nics.told) > 0 {
		t.Errorf("NICs %v", l.machine.nics.told)
	}
}

// The hint in the initrd or the firmware: what is found holds packets back, what
// is done is kept for the next boot, and a firmware that refuses is nobody's
// loss.
func TestHint(t *testing.T) {
	mine := state.Hint(thisMachine)
	for _, tt := range []struct {
		name, baked string
		vars        map[string]string
		refusal     string
		held        bool
		want        string
	}{
		{name: "baked in", baked: mine, vars: map[string]string{}, held: true},
		{name: "none yet", vars: map[string]string{}, want: mine},
		{name: "mine", vars: map[string]string{hintVar: mine}, held: true, want: mine},
		{name: "another machine's", vars: map[string]string{hintVar: state.Hint(otherMachine)}, want: mine},
		{name: "no variables"},
		{name: "it refuses", vars: map[string]string{}, refusal: "set", want: mine},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t, "boothook.log=debug")
			l.ec2()
			write(t, filepath.Join(l.env.Sysfs, "firmware/efi/x"), "")
			l.machine.vars, l.machine.nics = tt.vars, &fakeNICs{}
			if tt.baked != "" {
				l.initrd(bakedHint, tt.baked)
			}
			if tt.refusal != "" {
				l.machine.refusals[tt.refusal] = errors.New("refused")
			}
			live(t, l.root, thisMachine, "", "")
			r := l.run()
			if r.Result != report.Known || r.Unasked == "" || l.machine.vars[hintVar] != tt.want {
				t.Errorf("report %+v, variables %v", r, l.machine.vars)
			}
			if raised := slices.Contains(l.machine.told, "raise 0s"); raised == tt.held {
				t.Errorf("raised: %v", raised)
			}
			if wrote := slices.Contains(l.machine.told, "set "+hintVar); wrote != (tt.vars != nil && !tt.held) {
				t.Errorf("told %v", l.machine.told)
			}
		})
	}
}

// A boot that is ended from outside begins nothing any more, puts the network
// back and says so.
func TestEnded(t *testing.T) {
	for _, when := range []string{"before the root", "behind it"} {
		l := newLab(t, "boothook.timeout=1h")
		l.ec2()
		l.machine.nics = &fakeNICs{}
		live(t, l.root, thisMachine, "", aHook)
		b, err := newBoot(l.env)
		if err != nil {
			t.Fatal(err)
		}
		ctx, end := context.WithCancelCause(t.Context())
		b.awaitRoot = func(ctx context.Context) (string, error) {
			end(errors.New("terminated"))
			if when == "behind it" {
				return l.root, nil
			}
			return "", ctx.Err()
		}
		r := b.run(ctx)
		if r.Result != report.Failed || len(problems(r, "was ended: terminated")) != 1 || len(r.Hooks) > 0 {
			t.Errorf("%s: %+v", when, r)
		}
		if !slices.Equal(l.machine.nics.told, []string{"restore"}) && len(l.machine.nics.told) > 0 {
			t.Errorf("%s: NICs %v", when, l.machine.nics.told)
		}
	}
}
