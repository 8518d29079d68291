//go:build net

package nettest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"boothook/initramfs/report"
	"boothook/netboot/simulate"
)

// farAway is the round trip time to the services: so long that what the
// machines here take to think does not count. Where it does count, because
// they have much else to do, the fewest round trips of some runs are right:
// nothing makes them fewer than they are.
const (
	farAway  = 200 * time.Millisecond
	attempts = 4
)

// A machine's key, user-data and vendor-data; its name and id come with the row.
const (
	key        = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHlhdm93d2VkIHdpdGggbm8gcHJpdmF0ZSBrZXk test"
	userData   = "#!/bin/sh\necho late >/ran\n"
	vendorData = "#cloud-config\nvendor: \"says nothing\"\n"
)

// A place is one way to be on a cloud.
type place struct {
	name  string // "" for the cloud's own
	cloud string
	dmi   map[string]string
	id    string
	// vendor says that the cloud has vendor-data, config that it describes
	// the network in cloud-init's terms.
	vendor, config bool
	// account is whose the keys are; "" for root.
	account string
	// words are those of the kernel.
	words string
	// by is how the machine gets its address.
	by string
	// network makes addresses and DHCP servers; nil: dnsmasq. listen is
	// where the service is then; "": where the cloud has it.
	network func(*lab)
	listen  string
	// rounds is the most round trips after the lease.
	rounds int
}

// The firmware's UUID of a machine, that of one on EC2, and the latter's id.
const (
	uuid    = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
	ec2UUID = "ec2e1916-9099-7caf-fd21-012345abcdef"
	ec2ID   = "i-0123456789abcdef0"
)

func dmi(pairs ...string) map[string]string {
	m := map[string]string{"product_uuid": uuid}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

func places() []place {
	ec2 := place{cloud: "ec2", dmi: dmi("product_uuid", ec2UUID), id: ec2ID, rounds: 3}
	hetzner := place{cloud: "hetzner", dmi: dmi("sys_vendor", "Hetzner", "product_serial", "42424242"), id: "42424242", vendor: true, config: true, rounds: 2}
	openstack := place{cloud: "openstack", dmi: dmi("product_name", "OpenStack Nova"), id: "83679162-1378-4288-a2d4-70e13ec132aa", vendor: true, config: true, rounds: 3}
	return []place{
		{cloud: "akamai", dmi: dmi("sys_vendor", "Akamai"), id: "12345678", rounds: 3},
		{cloud: "aliyun", dmi: dmi("product_name", "Alibaba Cloud ECS"), id: "i-bp15y3x0yhyn14abcdef", vendor: true, rounds: 3},
		{cloud: "azure", dmi: dmi("chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77"), id: uuid, account: "azureuser", network: azureNetwork, rounds: 2},
		{cloud: "cloudcix", dmi: dmi("product_name", "CloudCIX"), id: "12_34", config: true, rounds: 2},
		{cloud: "cloudstack", dmi: dmi("product_name", "CloudStack KVM Hypervisor"), id: "i-2-345-VM", listen: "10.9.0.1:80", rounds: 3},
		{cloud: "digitalocean", dmi: dmi("sys_vendor", "DigitalOcean", "product_serial", "2756294"), id: "2756294", vendor: true, config: true,
			by: "link-local", network: linkLocal4, rounds: 2},
		ec2,
		ec2.over("ec2 by IPv6", "router, IPv6 only", "[fd00:ec2::254]:80", routedIPv6),
		ec2.over("ec2 by DHCPv6", "dnsmasq DHCPv6", "[fd00:ec2::254]:80", dnsmasqDHCPv6),
		ec2.over("ec2 by Kea", "Kea DHCPv4", "", kea4),
		ec2.over("ec2 by Kea DHCPv6", "Kea DHCPv6, radvd", "[fd00:ec2::254]:80", kea6),
		{cloud: "exoscale", dmi: dmi("product_name", "Exoscale Compute Platform"), id: "7f1a7bb8-5a4f-4f0d-8f0e-dd4d1e4d1a11", rounds: 3},
		{cloud: "gce", dmi: dmi("product_name", "Google Compute Engine"), id: "4520031799277581759", rounds: 3},
		hetzner,
		hetzner.over("hetzner by fe80", "link-local IPv6", "[fe80::a9fe:a9fe%s0]:80", linkLocal6),
		{cloud: "maas", words: "cc: {datasource_list: [MAAS]} end_cc cloud-config-url=http://10.9.0.1/preseed", id: "4y3h7n", vendor: true,
			listen: "10.9.0.1:80", rounds: 4},
		{cloud: "nocloud", dmi: dmi("product_serial", "ds=nocloud;s=http://10.9.0.1/__dmi.system-uuid__/"), id: "iid-seed-7", vendor: true,
			listen: "10.9.0.1:80", rounds: 2},
		{cloud: "nwcs", dmi: dmi("sys_vendor", "NWCS"), id: "nwcs-4711", vendor: true, rounds: 2}, // of no NIC it describes no network,
		openstack,
		openstack.over("openstack by fe80", "link-local IPv6", "[fe80::a9fe:a9fe%s0]:80", linkLocal6),
		{cloud: "oracle", dmi: dmi("chassis_asset_tag", "OracleCloud.com"), id: "ocid1.instance.oc1.phx.abyhqljr7e", rounds: 2},
		{cloud: "scaleway", dmi: dmi("sys_vendor", "Scaleway"), id: "cb79c3cc-6da1-4b24-9ac8-52ff5a2a6b4d", vendor: true, rounds: 3},
		{name: "scaleway by word", cloud: "scaleway", words: "scaleway", id: "cb79c3cc", rounds: 3},
		{cloud: "upcloud", dmi: dmi("sys_vendor", "UpCloud"), id: "00322b68-0096-4042-9406-faad61922128", vendor: true, config: true, rounds: 2},
		{cloud: "vultr", dmi: dmi("sys_vendor", "Vultr"), id: "29bea708-2e6e-480a-90ad-0e6b5d5ad62f", vendor: true, rounds: 2},
	}
}

// over is the same place reached another way.
func (p place) over(name, by, listen string, network func(*lab)) place {
	p.name, p.by, p.listen, p.network = name, by, listen, network
	return p
}

// title is what the place is called in tables.
func (p place) title() string {
	if p.name != "" {
		return p.name
	}
	return p.cloud
}

// A row is what the table says of a place.
type row struct {
	place                          place
	boot                           boot
	id, hostname, keys, user, vend string // "yes", "–" or what is wrong
	network                        string
	asked                          []string
	connections                    int
	rounds                         float64
}

// Every cloud that is simulated is reached by the agent as it is, and gives
// it everything it has.
func TestClouds(t *testing.T) {
	agent := agentBinary(t)
	var rows []row
	missing := map[string]bool{}
	for _, c := range simulate.Clouds() {
		missing[c.Name] = true
	}
	for _, p := range places() {
		delete(missing, p.cloud)
		t.Run(p.title(), func(t *testing.T) {
			r := reach(t, agent, p)
			for n := 1; n < attempts && int(r.rounds) > p.rounds; n++ {
				if again := reach(t, agent, p); again.rounds < r.rounds {
					r = again
				}
			}
			r.judge(t)
			rows = append(rows, r)
		})
	}
	if len(missing) > 0 {
		t.Errorf("no place for %v", slices.Sorted(maps.Keys(missing)))
	}
	printClouds(t, rows)
}

// reach runs the agent on a place.
func reach(t *testing.T, agent string, p place) row {
	l := newLab(t)
	cloud, err := simulate.Find(p.cloud)
	if err != nil {
		t.Fatal(err)
	}
	m := simulate.Machine{InstanceID: p.id, Hostname: "name-of-" + p.cloud, PublicKeys: []string{key}, UserData: []byte(userData)}
	if p.vendor {
		m.VendorData = []byte(vendorData)
	}
	listen := cloud.Address
	if p.listen != "" {
		listen = p.listen
	}
	if p.network != nil {
		p.network(l)
	} else {
		l.dnsmasq()
	}
	host := listen[:strings.LastIndexByte(listen, ':')]
	if host = strings.Trim(host, "[]"); p.listen == "" && p.by != "link-local" {
		l.address(host+"/32", "lo")
	}
	l.handle(listen, handler(p, cloud.New(m)))
	if l.wireserver != "" {
		l.handle(l.wireserver, cloud.New(m))
	}
	l.wire.set(func(w *wire) { w.delay = farService(farAway) })
	b := l.boot(agent, l.firmware(p.dmi), "boothook.timeout=20s "+p.words)
	r := row{place: p, boot: b}
	r.asked, r.connections = l.asked.list()
	for _, n := range b.Network {
		if n.Used {
			r.network = n.Address
		}
	}
	leased, _ := b.at("eth0 has " + r.network)
	if fetched, ok := b.at("instance fetched"); ok {
		r.rounds = (fetched - leased).Seconds() / farAway.Seconds()
	}
	return r
}

// judge compares what stands in the root with what the cloud had to say.
func (r *row) judge(t *testing.T) {
	p, b, asked := r.place, r.boot, r.asked
	if b.Result != report.Applied || b.Source != p.cloud || len(b.Failures()) > 0 {
		t.Errorf("result %s, source %s, problems %v\n%s", b.Result, b.Source, b.Problems, b.log)
	}
	dir := "var/lib/cloud/instances/" + p.id
	r.id = verdict(t, "instance-id", b.file("var/lib/cloud/data/instance-id"), p.id+"\n")
	r.hostname = verdict(t, "hostname", b.file("etc/hostname"), "name-of-"+p.cloud+"\n")
	home := "root"
	if p.account != "" {
		home = "home/" + p.account
	}
	r.keys = verdict(t, "keys", b.file(home+"/.ssh/authorized_keys"), key+"\n")
	r.user = verdict(t, "user-data", b.file(dir+"/user-data.txt"), userData)
	r.vend = "–"
	if p.vendor {
		r.vend = verdict(t, "vendor-data", b.file(dir+"/vendor-data.txt"), vendorData)
	}
	if r.network == "" {
		t.Errorf("no NIC is said to have led to the source: %+v", b.Network)
	}
	config := b.file("var/lib/boothook/network-config") != ""
	if config != p.config {
		t.Errorf("network-config: %v, want %v", config, p.config)
	}
	if config {
		r.network += ", config"
	}
	if int(r.rounds) > p.rounds {
		t.Errorf("%.1f round trips after the lease, want at most %d", r.rounds, p.rounds)
	}
	if r.connections > 4 {
		t.Errorf("%d connections", r.connections)
	}
	if puts := count(asked, "PUT "); puts > 1 {
		t.Errorf("%d tokens: %v", puts, asked)
	}
	switch p.cloud {
	case "ec2":
		if puts, gets := count(asked, "PUT "), count(asked, "GET "); puts != 1 || gets > 7 {
			t.Errorf("%d tokens and %d GETs, want 1 and at most 7: %v", puts, gets, asked)
		}
	case "azure":
		if !slices.Contains(asked, "POST /machine") {
			t.Errorf("no report of being ready: %v", asked)
		}
	}
}

// verdict is "yes" when both are the same.
func verdict(t *testing.T, what, got, want string) string {
	t.Helper()
	if got == want {
		return "yes"
	}
	t.Errorf("%s: got %q, want %q", what, got, want)
	return "NO"
}

func count(list []string, prefix string) (n int) {
	for _, s := range list {
		if strings.HasPrefix(s, prefix) {
			n++
		}
	}
	return n
}

// printClouds prints the table.
func printClouds(t *testing.T, rows []row) {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "cloud\taddress by\tfound\tinstance-id\thostname\tkeys\tuser-data\tvendor-data\tnetwork\trequests\tconnections\tround trips\ttotal ms")
	for _, r := range rows {
		by, found := r.place.by, "NO"
		if by == "" {
			by = "dnsmasq DHCPv4"
		}
		if r.boot.Result == report.Applied && len(r.boot.Evidence) > 0 {
			found = "yes"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%.1f\t%d\n", r.place.title(), by, found, r.id, r.hostname,
			r.keys, r.user, r.vend, r.network, len(r.asked), r.connections, r.rounds, r.boot.took.Milliseconds())
	}
	w.Flush()
	t.Logf("round trips of %v, counted by the clock from the lease on, the handshake included\n%s", farAway, text.String())
}
