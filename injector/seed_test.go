package injector

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boothook/injector/root"
)

// TestSeed holds what of a root counts as its seed, and why. Each row is one of
// the table in docs/image-sources.md.
func TestSeed(t *testing.T) {
	page, err := os.ReadFile("../docs/image-sources.md")
	if err != nil {
		t.Fatal(err)
	}
	const (
		cfg  = "etc/cloud/cloud.cfg.d/90.cfg"
		dir  = "var/lib/cloud/seed/nocloud/"
		net  = "var/lib/cloud/seed/nocloud-net/"
		core = "writable/system-data/var/lib/cloud/seed/nocloud/"
		both = "datasource: {NoCloud: {user-data: '#!/bin/cfg', meta-data: {instance-id: cfg}}}\n"
	)
	type files map[string]string
	for _, c := range []struct {
		// name is the row's first cell.
		name  string
		files files
		named string
		// want are the documents, "NAME=TEXT", that there must be, and no
		// others.
		want string
		// problem is in the one that there is.
		problem string
	}{
		{name: "nothing", files: files{}},
		{name: "`seed/nocloud`", files: files{dir + "meta-data": "m", dir + "user-data": "u"}, want: "meta-data=m user-data=u"},
		{name: "`seed/nocloud-net`", files: files{net + "user-data": "u"}, want: "user-data=u"},
		{name: "both directories", files: files{dir + "user-data": "u", net + "user-data": "n", net + "meta-data": "m"}, want: "user-data=u"},
		{name: "`/writable/system-data`", files: files{core + "user-data": "u", core + "network-config": "n"}, want: "user-data=u network-config=n"},
		{name: "`seed/nocloud` and `/writable/system-data`", files: files{dir + "user-data": "u", core + "user-data": "c"}, want: "user-data=u"},
		{name: "a directory on the kernel command line", files: files{"srv/meta-data": "m", dir + "user-data": "u", cfg: both}, named: "/srv", want: "meta-data=m"},
		{name: "`NoCloud: {user-data, meta-data}`, mapping", files: files{cfg: both}, want: "meta-data=instance-id:cfg user-data=#!/bin/cfg"},
		{name: "`NoCloud: {user-data, meta-data}`, text", files: files{cfg: "datasource:\n  NoCloud:\n    user-data: |\n      #cloud-config\n      a: b\n    meta-data: |\n      instance-id: t\n"},
			want: "meta-data=instance-id:t user-data=#cloud-configa:b"},
		{name: "user-data as a mapping", files: files{cfg: "datasource: {NoCloud: {user-data: {a: b}, meta-data: {}}}"}, want: "meta-data={} user-data=#cloud-configa:b"},
		{name: "`NoCloud: {network-config, vendor-data}` beside them", files: files{cfg: "datasource: {NoCloud: {user-data: u, meta-data: m, vendor-data: v, network-config: {version: 2}}}"},
			want: "meta-data=m user-data=u vendor-data=v network-config=version:2"},
		{name: "`NoCloud: {user-data}` without meta-data", files: files{cfg: "datasource: {NoCloud: {user-data: u}}"}},
		{name: "`NoCloud: {user-data, meta-data}` and `seed/nocloud`", files: files{cfg: both, dir + "meta-data": "m", dir + "user-data": "u"},
			want: "meta-data=m seedfrom/meta-data=instance-id:cfg user-data=#!/bin/cfg"},
		{name: "a later drop-in", files: files{cfg: both, "etc/cloud/cloud.cfg.d/95.cfg": "datasource: {NoCloud: {user-data: later, meta-data: {instance-id: l}}}"}, want: "meta-data=instance-id:l user-data=later"},
		{name: "`seedfrom`, a path", files: files{cfg: "datasource: {NoCloud: {seedfrom: /srv/seed/}}", "srv/seed/meta-data": "m", "srv/seed/user-data": "u"}, want: "meta-data=m user-data=u"},
		{name: "`seedfrom`, `file://`", files: files{cfg: "datasource: {NoCloud: {seedfrom: 'file:///srv/seed'}}", "srv/seed/user-data": "u"}, want: "user-data=u"},
		{name: "`seedfrom` and `seed/nocloud`", files: files{cfg: "datasource: {NoCloud: {seedfrom: /srv/}}", "srv/meta-data": "s", "srv/user-data": "su", dir + "meta-data": "m", dir + "user-data": "u", dir + "vendor-data": "v"},
			want: "meta-data=m seedfrom/meta-data=s user-data=su"},
		{name: "`seedfrom` with nothing there", files: files{cfg: "datasource: {NoCloud: {seedfrom: /srv}}"}, problem: "neither meta-data nor user-data at /srv"},
		{name: "`seedfrom` out of the root", files: files{cfg: "datasource: {NoCloud: {seedfrom: /../../../../../../proc/self}}"}, problem: "neither meta-data nor user-data"},
		{name: "`seedfrom`, http", files: files{cfg: "datasource: {NoCloud: {seedfrom: 'http://192.0.2.1/'}}", dir + "user-data": "u"}, want: "user-data=u"},
		{name: "`datasource_list` without NoCloud", files: files{cfg: "datasource_list: [Ec2, None]\n" + both, dir + "user-data": "u"}},
		{name: "`datasource_list` with NoCloud", files: files{cfg: "datasource_list: [Ec2, NoCloud]\n", dir + "user-data": "u"}, want: "user-data=u"},
		{name: "`datasource_list: [None]`", files: files{cfg: "datasource_list: [None]\ndatasource: {None: {metadata: {instance-id: x}, userdata_raw: '#cloud-config'}}\n", dir + "user-data": "u"},
			want: "meta-data=instance-id:iid-datasource-none seedfrom/meta-data=instance-id:x user-data=#cloud-config"},
		{name: "`datasource_list: [None]` without settings", files: files{cfg: "datasource_list: [None]\n", dir + "user-data": "u"}},
		{name: "`None` behind others", files: files{cfg: "datasource_list: [NoCloud, None]\ndatasource: {None: {userdata_raw: u}}\n"}},
		{name: "what is not YAML", files: files{cfg: "datasource: [{\n", dir + "user-data": "u"}, want: "user-data=u"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(string(page), "\n| "+c.name+" |") {
				t.Error("no row of docs/image-sources.md")
			}
			place := t.TempDir()
			for name, text := range c.files {
				path := filepath.Join(place, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			r, err := root.Open(place)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			image := Sources(r, c.named, true)
			docs, problems := image.Docs, image.Problems
			var got []string
			for _, name := range []string{"meta-data", "seedfrom/meta-data", "user-data", "vendor-data", "network-config"} {
				if body := docs[name]; body != nil {
					got = append(got, name+"="+strings.NewReplacer("\n", "", " ", "", "\"", "").Replace(string(body)))
				}
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			if (c.problem == "") != (len(problems) == 0) || c.problem != "" && !strings.Contains(problems[0].Message, c.problem) {
				t.Errorf("problems %v", problems)
			}
			for _, p := range problems {
				if p.Line == 0 || !strings.HasSuffix(p.Origin, "90.cfg") {
					t.Errorf("the problem does not say where: %v", p)
				}
			}
		})
	}
}
