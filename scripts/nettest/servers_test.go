//go:build net

package nettest

import (
	"fmt"
	"net/http"
	"path/filepath"
)

// The networks that a machine may find itself in, besides the common one with
// dnsmasq's DHCPv4.

// handler is the service of a place. A NoCloud seed is where its address,
// which the firmware gave, leads to.
func handler(p place, h http.Handler) http.Handler {
	if p.cloud == "nocloud" {
		return http.StripPrefix("/"+uuid, h)
	}
	return h
}

// azureNetwork names the wire server by option 245.
func azureNetwork(l *lab) {
	l.address("168.63.129.20/32", "lo")
	l.dnsmasq("--dhcp-option-force=245,168.63.129.20")
	l.wireserver = "168.63.129.20:80"
}

// linkLocal4 has no DHCP at all.
func linkLocal4(l *lab) { l.address("169.254.169.254/16", "s0") }

// linkLocal6 has neither DHCP nor a router.
func linkLocal6(l *lab) { l.address("fe80::a9fe:a9fe/64", "s0") }

// ipv6 gives the cloud a network with IPv6, and the address of EC2.
func (l *lab) ipv6() {
	l.address("fd00:9::1/64", "s0")
	l.address("fd00:ec2::254/128", "lo")
	command(l.t, "ip", "netns", "exec", l.cloud, "sysctl", "-q", "net.ipv6.conf.all.forwarding=1")
}

// routedIPv6 has a router that announces a prefix, and no IPv4.
func routedIPv6(l *lab) {
	l.ipv6()
	l.dnsmasqWith("--enable-ra", "--dhcp-range=fd00:9::,ra-only", "--ra-param=s0,4")
}

// dnsmasqDHCPv6 has a router that says to ask for addresses.
func dnsmasqDHCPv6(l *lab) {
	l.ipv6()
	l.dnsmasqWith("--enable-ra", "--dhcp-range=fd00:9::100,fd00:9::1ff,64,1h", "--ra-param=s0,4")
}

// kea4 is the DHCPv4 server of ISC.
func kea4(l *lab) {
	l.kea("4", `"subnet4": [{ "subnet": "10.9.0.0/24", "pools": [{ "pool": "10.9.0.50 - 10.9.0.99" }],
		"option-data": [{ "name": "routers", "data": "10.9.0.1" }, { "name": "domain-name-servers", "data": "10.9.0.1" }] }]`)
}

// kea6 is ISC's for IPv6; it leaves announcing the router to radvd.
func kea6(l *lab) {
	l.ipv6()
	l.kea("6", `"server-id": { "type": "EN", "enterprise-id": 2495, "identifier": "0123456789", "persist": false },
		"subnet6": [{ "subnet": "fd00:9::/64", "interface": "s0", "pools": [{ "pool": "fd00:9::100 - fd00:9::1ff" }] }]`)
	conf := filepath.Join(l.dir, "radvd.conf")
	l.write(conf, `interface s0 {
	AdvSendAdvert on; AdvManagedFlag on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4;
	prefix fd00:9::/64 { AdvAutonomous off; };
};
`)
	l.daemon("version", "radvd", "--nodaemon", "--logmethod=stderr", "--debug=1", "--config="+conf,
		"--pidfile="+filepath.Join(l.dir, "radvd.pid"))
}

// kea runs Kea with what a configuration says of its subnets.
func (l *lab) kea(version, subnets string) {
	conf := filepath.Join(l.dir, "kea.json")
	l.write(conf, fmt.Sprintf(`{ "Dhcp%s": {
	"interfaces-config": { "interfaces": ["s0"] },
	"lease-database": { "type": "memfile", "persist": false },
	"valid-lifetime": 3600,
	"loggers": [{ "name": "kea-dhcp%s", "output_options": [{ "output": "stdout" }], "severity": "INFO" }],
	%s
} }
`, version, version, subnets))
	// Its lock and process id files would be those of the machine's own Kea.
	l.daemon("DHCP"+version+"_STARTED", "env", "KEA_LOCKFILE_DIR="+l.dir, "KEA_PIDFILE_DIR="+l.dir, "kea-dhcp"+version, "-c", conf)
}
