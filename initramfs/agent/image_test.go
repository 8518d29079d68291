package agent

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boothook/initramfs/report"
	"boothook/netboot/nic"
)

// What a root says of its sources, and what is used of it, by a machine that
// nothing else speaks for. The rows are those of docs/image-sources.md.
func TestImageSources(t *testing.T) {
	page := string(must(os.ReadFile("../../docs/image-sources.md")))
	mux := http.NewServeMux()
	for path, text := range map[string]string{
		"/seed/meta-data": "instance-id: i-web\n", "/seed/user-data": "#!/bin/sh\n",
		"/latest/meta-data/instance-id":             "i-ec2",
		"/openstack/latest/meta_data.json":          `{"uuid": "i-openstack"}`,
		"/2012-03-01/meta-data/instance-id":         "i-maas",
		"/2012-03-01/meta-data/local-hostname":      "m",
		"/maas/2012-03-01/meta-data/instance-id":    "i-maas",
		"/maas/2012-03-01/meta-data/local-hostname": "m",
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(text)) })
	}
	mux.HandleFunc("/latest/api/token", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("t")) })
	server := httptest.NewServer(mux)
	defer server.Close()

	const (
		cfg       = "etc/cloud/cloud.cfg.d/90.cfg"
		identify  = "etc/cloud/ds-identify.cfg"
		seed      = "var/lib/cloud/seed/"
		drive     = seed + "config_drive/openstack/latest/meta_data.json"
		ovf       = seed + "ovf/ovf-env.xml"
		azure     = seed + "azure/ovf-env.xml"
		nocloud   = seed + "nocloud/meta-data"
		core      = "writable/system-data/"
		uuid      = `{"uuid": "i-drive"}`
		env       = `<Environment><PropertySection><Property key="instance-id" value="i-ovf"/></PropertySection></Environment>`
		provision = `<Environment><HostName>az</HostName></Environment>`
	)
	type files map[string]string
	for _, tt := range []struct {
		// name is the row's first cell.
		name, words string
		files       files
		ec2         bool // the firmware says so, and no network answers
		// want is the source and the instance; "": nothing to do.
		want string
		// problem is in the report.
		problem string
	}{
		{name: "`seed/config_drive`", files: files{drive: uuid}, want: "configdrive i-drive"},
		{name: "`seed/config_drive` without `latest`", files: files{seed + "config_drive/openstack/2015-10-15/meta_data.json": uuid}, want: "configdrive i-drive"},
		{name: "`/config-drive`", files: files{"config-drive/openstack/latest/meta_data.json": uuid}, want: "configdrive i-drive"},
		{name: "`seed/config_drive` with a file in `content`", files: files{drive: `{"uuid": "i-drive", "files": [{"path": "/etc/from", "content_path": "/content/0000"}]}`,
			seed + "config_drive/openstack/content/0000": "x"}, want: "configdrive i-drive"},
		{name: "`seed/config_drive` that is not JSON", files: files{drive: "{"}, problem: "meta_data.json"},
		{name: "`seed/ovf`", files: files{ovf: env}, want: "ovf i-ovf"},
		{name: "`seed/azure`, elsewhere than on Azure", files: files{azure: provision}, want: "azure 11111111-9099-7caf-fd21-012345abcdef"},
		{name: "`/writable/system-data`, another seed", files: files{core + ovf: env}, want: "ovf i-ovf"},
		{name: "`seed/config_drive` and `seed/nocloud`", files: files{drive: uuid, nocloud: "instance-id: i-dir\n"}, want: "configdrive i-drive"},
		{name: "both, and a list with NoCloud in front", files: files{drive: uuid, nocloud: "instance-id: i-dir\n", cfg: "datasource_list: [NoCloud, ConfigDrive, None]\n"}, want: "nocloud i-dir"},
		{name: "both, and a list with ConfigDrive alone", files: files{drive: uuid, nocloud: "instance-id: i-dir\n", cfg: "datasource_list: [ConfigDrive]\n"}, want: "configdrive i-drive"},
		{name: "`seed/config_drive`, and a list without it", files: files{drive: uuid, cfg: "datasource_list: [OVF, None]\n"}, problem: "configdrive (seed in the root, seed/config_drive"},
		{name: "`seed/config_drive`, and a list without it, and `boothook.source=configdrive`", words: "boothook.source=configdrive",
			files: files{drive: uuid, cfg: "datasource_list: [OVF, None]\n"}, want: "configdrive i-drive"},
		{name: "`seed/ovf` and `seed/azure`", files: files{ovf: env, azure: provision}, want: "azure 11111111-9099-7caf-fd21-012345abcdef"},
		{name: "`seed/nocloud` on a machine whose cloud does not answer", ec2: true, files: files{nocloud: "instance-id: i-dir\n"}, want: "nocloud i-dir"},
		{name: "`datasource_list: [Ec2, NoCloud]`, and a cloud that does not answer", words: "boothook.timeout=1", ec2: true, files: files{nocloud: "instance-id: i-dir\n", cfg: "datasource_list: [Ec2, NoCloud]\n"}, want: "nocloud i-dir"},
		{name: "`datasource_list: [Ec2, None]`, and nothing speaks for it", files: files{cfg: "datasource_list: [Ec2, None]\ndatasource: {Ec2: {metadata_urls: ['SERVER']}}\n"}, want: "ec2 i-ec2"},
		{name: "`datasource_list: [OpenStack]` with `metadata_urls`", files: files{cfg: "datasource_list: [OpenStack]\ndatasource: {OpenStack: {metadata_urls: [SERVER/]}}\n"}, want: "openstack i-openstack"},
		{name: "`datasource_list: [MAAS]`, as MAAS leaves it", files: files{cfg: "datasource_list: [MAAS]\ndatasource:\n  MAAS: {consumer_key: a, metadata_url: 'SERVER/maas', token_key: b, token_secret: c}\n"}, want: "maas i-maas"},
		{name: "`datasource_list: [Ec2, GCE]`, and nothing speaks for them", files: files{cfg: "datasource_list: [Ec2, GCE]\ndatasource: {Ec2: {metadata_urls: [SERVER]}}\n"}},
		{name: "`datasource_list: [AltCloud]`", files: files{cfg: "datasource_list: [AltCloud]\n"}},
		{name: "`ds-identify.cfg`: `datasource: Ec2`", files: files{identify: "datasource: Ec2\n", cfg: "datasource_list: [NoCloud, GCE]\ndatasource: {Ec2: {metadata_urls: [SERVER]}}\n"}, want: "ec2 i-ec2"},
		{name: "`ds-identify.cfg`: `datasource: Ec2`, and `seed/nocloud`", files: files{identify: "# x\ndatasource: Ec2 # y\n", nocloud: "instance-id: i-dir\n", cfg: "datasource: {Ec2: {metadata_urls: [SERVER]}}\n"}, want: "ec2 i-ec2"},
		{name: "`ds-identify.cfg`: `policy: enabled`", files: files{identify: "policy: enabled\n", nocloud: "instance-id: i-dir\n"}, want: "nocloud i-dir", problem: "ds-identify.cfg: line 1: policy: enabled"},
		{name: "`ds-identify.cfg`: `policy: disabled`", files: files{identify: "policy: disabled\n", nocloud: "instance-id: i-dir\n"}, want: "nocloud i-dir"},
		{name: "`ds-identify.cfg`: `datasource: NoCloud`, and `seed/config_drive`", files: files{identify: "datasource: NoCloud\n", drive: uuid, nocloud: "instance-id: i-dir\n"}, want: "nocloud i-dir"},
		{name: "`cloud-init.disabled` and `seed/nocloud`", files: files{"etc/cloud/cloud-init.disabled": "", nocloud: "instance-id: i-dir\n"}, want: "nocloud i-dir"},
		{name: "`seedfrom`, http", files: files{cfg: "datasource: {NoCloud: {seedfrom: 'SERVER/seed/'}}\n"}, want: "nocloud i-web"},
		{name: "`seedfrom`, http, and `seed/nocloud`", files: files{cfg: "datasource: {NoCloud: {seedfrom: 'SERVER/seed/'}}\n", nocloud: "instance-id: i-dir\n"}, want: "nocloud i-dir"},
		{name: "`seedfrom`, http, on a machine of a cloud", ec2: true, files: files{cfg: "datasource: {NoCloud: {seedfrom: 'SERVER/seed/'}}\n", nocloud: "instance-id: i-dir\n"}, want: "nocloud i-dir", problem: "seedfrom was not asked"},
		{name: "`seedfrom`, http, and a list without NoCloud", files: files{cfg: "datasource_list: [Ec2, GCE]\ndatasource: {NoCloud: {seedfrom: 'SERVER/seed/'}}\n"}},
		{name: "`seedfrom`, ftp", files: files{cfg: "datasource: {NoCloud: {seedfrom: 'ftp://192.0.2.1/'}}\n", nocloud: "instance-id: i-dir\n"}, want: "nocloud i-dir", problem: "seedfrom: an image's seed"},
		{name: "`boothook.source=ec2`, and seeds", words: "boothook.source=ec2 boothook.timeout=1", files: files{nocloud: "instance-id: i-dir\n", drive: uuid}, problem: "no source answered"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(page, "\n| "+tt.name+" |") {
				t.Error("no row of docs/image-sources.md")
			}
			l := newLab(t, tt.words)
			l.machine.nics = &fakeNICs{}
			if tt.ec2 {
				l.ec2()
			} else {
				l.machine.nics.leases = []nic.Lease{loopback()}
				write(t, filepath.Join(l.env.Sysfs, "class/dmi/id/product_uuid"), "11111111-9099-7caf-fd21-012345abcdef\n")
			}
			if strings.HasPrefix(tt.words, "boothook.source=ec2") {
				l.machine.nics.leases = nil
			}
			for name, text := range tt.files {
				write(t, filepath.Join(l.root, name), strings.ReplaceAll(text, "SERVER", server.URL))
			}
			o, err := l.env.Words()
			if err != nil {
				t.Fatal(err)
			}
			l.env.Seeded = l.env.hasSeed(&o, l.root)
			r := l.run()
			switch {
			case tt.want == "" && tt.problem == "":
				if r.Result != report.NoPlatform {
					t.Errorf("%s, problems %v", r.Result, r.Problems)
				}
			case tt.want != "" && (r.Result != report.Applied || r.Source+" "+r.InstanceID != tt.want):
				t.Errorf("%s of %q %q, want %q; problems %v", r.Result, r.Source, r.InstanceID, tt.want, r.Problems)
			case tt.want == "" && r.Result != report.Failed:
				t.Errorf("%s of %q %q; problems %v", r.Result, r.Source, r.InstanceID, r.Problems)
			}
			if tt.problem != "" && len(problems(r, tt.problem)) != 1 {
				t.Errorf("problems %v, want %q", r.Problems, tt.problem)
			}
		})
	}
}

func must(body []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return body
}
