package words

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"boothook/netboot/instance"
)

func defaults(change func(*Options)) Options {
	o := Options{Mode: On, OnError: Continue, Net: Net{Timeout: DefaultTimeout},
		Inject: Inject{HookTimeout: DefaultHookTimeout},
		Root:   Root{Wait: DefaultRootWait, Fsck: "auto"}}
	change(&o)
	return o
}

func warning(origin, message string) instance.Problem {
	return instance.Problem{Origin: origin, Message: message, Warning: true}
}

func TestParse(t *testing.T) {
	const kernel, bakedIn = "kernel command line", "baked-in words"
	for _, test := range []struct {
		name, baked, kernel string
		want                Options
	}{
		{"nothing", "", "quiet", defaults(func(*Options) {})},
		{"a root", "root=LABEL=baked rw", `root="LABEL=my root" rootfstype=ext4,xfs rootflags=noatime,subvol=@ rootdelay=5 ro init=/bin/x fsck.mode=skip rd.modules_load=a,b modules_load=c`,
			defaults(func(o *Options) {
				o.Root = Root{Device: "LABEL=my root", FSType: "ext4,xfs", Flags: "noatime,subvol=@", Wait: 5 * time.Second,
					Init: "/bin/x", Fsck: "skip", Modules: []string{"a", "b", "c"}}
			})},
		{"a root to wait for", "", "rw rootdelay=3 rootwait", defaults(func(o *Options) { o.Root.ReadWrite, o.Root.Wait = true, 0 })},
		{"no root to wait for", "", "rootdelay=0", defaults(func(o *Options) { o.Root.Wait = 1 })},
		{"bad words about the root", "", "rootdelay=long fsck.mode=maybe", defaults(func(o *Options) {
			o.Warnings = []instance.Problem{
				warning(kernel, "rootdelay=long: want a number of seconds, at most 3600"),
				warning(kernel, "fsck.mode=maybe: want auto, force or skip")}
		})},
		{"off", "", "boothook=off", defaults(func(o *Options) { o.Mode = Off })},
		{"cloud-init's own off", "", "cloud-init=disabled", defaults(func(o *Options) { o.Mode = Off })},
		{"last wins", "", "boothook=off boothook=dry-run", defaults(func(o *Options) { o.Mode = DryRun })},
		{"after -- words belong to init", "", "quiet -- boothook=off", defaults(func(*Options) {})},
		{"everything", "", `boothook.source=ec2,nocloud boothook.url="http://a b/" boothook.nic=52:54:00:00:00:01 boothook.ip=dhcp ` +
			`boothook.net=keep boothook.timeout=5 boothook.hooktimeout=2m boothook.onerror=reboot boothook.again=boot ` +
			`boothook.verify=require boothook.cloud-init=keep boothook.log=debug ip=dhcp ds=nocloud;s=http://x/ network-config=e30=`,
			defaults(func(o *Options) {
				o.OnError, o.Debug = Reboot, true
				o.Net = Net{NIC: "52:54:00:00:00:01", IP: "dhcp", ForeignIP: "dhcp", Keep: true, Timeout: 5 * time.Second}
				o.Source = Source{Names: []string{"ec2", "nocloud"}, URL: "http://a b/", NetworkConfig: "e30="}
				o.Inject = Inject{HookTimeout: 2 * time.Minute, AgainEachBoot: true, RequireSigned: true, KeepCloudInit: true}
			})},
		{"what PXE booted from", "", "BOOTIF=01-52-54-00-00-00-01", defaults(func(o *Options) { o.Net.NIC = "01-52-54-00-00-00-01" })},
		{"nic counts more", "", "boothook.nic=eth7 BOOTIF=01-52-54-00-00-00-01", defaults(func(o *Options) { o.Net.NIC = "eth7" })},
		{"nic counts more wherever it stands", "", "BOOTIF=01-52-54-00-00-00-01 boothook.nic=eth7", defaults(func(o *Options) { o.Net.NIC = "eth7" })},
		{"not from an Ethernet", "", "BOOTIF=20-00-00", defaults(func(*Options) {})},
		{"dracut's", "", "vlan=vlan5:eth0 vlan=eth1.6:eth1 proxy=http://p:3128", defaults(func(o *Options) {
			o.Net.VLANs, o.Net.Proxy = []string{"vlan5:eth0", "eth1.6:eth1"}, "http://p:3128"
		})},
		{"unknown word", "", "boothook.tiemout=5", defaults(func(o *Options) {
			o.Warnings = []instance.Problem{warning(kernel, "boothook.tiemout: no such word")}
		})},
		{"bad duration keeps the default", "boothook.timeout=7s", "boothook.timeout=5h", defaults(func(o *Options) {
			o.Net.Timeout = 7 * time.Second
			o.Warnings = []instance.Problem{warning(kernel, "boothook.timeout=5h: want a duration such as 90s, more than 0 and at most 1h")}
		})},
		{"bad verify and onerror take the strictest", "boothook.verify=yes", "boothook.onerror=panic", defaults(func(o *Options) {
			o.Inject.RequireSigned, o.OnError = true, Halt
			o.Warnings = []instance.Problem{
				warning(bakedIn, "boothook.verify=yes: want off or require; taken as require"),
				warning(kernel, "boothook.onerror=panic: want continue, shell, reboot or halt; taken as halt")}
		})},
		{"baked-in strictness stays", "boothook.verify=require boothook.onerror=halt boothook.source=ec2,gce",
			"boothook.verify=off boothook.onerror=continue boothook.source=nocloud", defaults(func(o *Options) {
				o.Inject.RequireSigned, o.OnError = true, Halt
				o.Source.Names = []string{"ec2", "gce"}
				o.Warnings = []instance.Problem{
					warning(kernel, "boothook.verify=require is baked in and stays"),
					warning(kernel, "boothook.onerror=halt is baked in and stays"),
					warning(kernel, "boothook.source names a source outside the baked-in list, which stays")}
			})},
		{"a baked-in list can be narrowed", "boothook.source=ec2,gce", "boothook.source=gce", defaults(func(o *Options) {
			o.Source.Names = []string{"gce"}
		})},
		{"a root on the network", "", "root=/dev/nfs ip=dhcp", defaults(func(o *Options) {
			o.Net.Foreign, o.Net.ForeignIP, o.Root.Device = true, "dhcp", "/dev/nfs"
		})},
		{"dracut's network", "", "rd.neednet=1", defaults(func(o *Options) { o.Net.Foreign = true })},
		{"cc", "", `quiet cc: {hostname: a}\nruncmd: [b] end_cc ro cc: x: 1`, defaults(func(o *Options) {
			o.Inject.CloudConfig = "{hostname: a}\nruncmd: [b] \nx: 1"
		})},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := Parse(test.baked, test.kernel)
			got.Source.Words = nil // TestOthersWords
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("Parse (-want +got):\n%s", diff)
			}
		})
	}
}

// Words that are not boothook's own are kept as they are, those that were
// baked in first, for sources to look for theirs.
func TestOthersWords(t *testing.T) {
	got := Parse("ds=a;s=http://x/ boothook.source=b", `quiet boothook=on ro marked "mark=with space" boothook.nic=eth0 boothooked=1 ds=c -- ds=d`)
	want := []string{"ds=a;s=http://x/", "quiet", "ro", "marked", "mark=with space", "boothooked=1", "ds=c"}
	if diff := cmp.Diff(want, got.Source.Words); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestSplit(t *testing.T) {
	for _, test := range []struct {
		in   string
		want []word
	}{
		{"", nil},
		{" a  b=c\n", []word{{"a", "", false}, {"b", "c", true}}},
		{`a="b c" "d=e f" g`, []word{{"a", "b c", true}, {"d", "e f", true}, {"g", "", false}}},
		{`x="`, []word{{"x", "", true}}},
		{`x='a b'`, []word{{"x", "'a", true}, {"b'", "", false}}},
		{`foo="a b`, []word{{"foo", "a b", true}}},
	} {
		if diff := cmp.Diff(test.want, split(test.in), cmp.AllowUnexported(word{})); diff != "" {
			t.Errorf("split(%q) (-want +got):\n%s", test.in, diff)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("boothook.verify=require", `boothook.x="`)
	f.Add("", `cc: end_cc cc: "a" -- boothook=off`)
	f.Fuzz(func(t *testing.T, baked, kernel string) {
		o := Parse(baked, kernel)
		if o.Net.Timeout <= 0 || o.Net.Timeout > maxDuration {
			t.Errorf("timeout %v out of bounds", o.Net.Timeout)
		}
		if strict := Parse("boothook.verify=require", kernel); !strict.Inject.RequireSigned {
			t.Errorf("%q loosened verify", kernel)
		}
		if strings.Contains(o.Inject.CloudConfig, "end_cc") {
			t.Errorf("end_cc left in %q", o.Inject.CloudConfig)
		}
	})
}
