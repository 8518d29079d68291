// Package simulate holds metadata services that answer as the clouds do, and
// the files of the volumes that some attach, for tests, for "boothook boot" and
// for "boothook serve".
//
// In goes a Machine: what the service or volume is to say. Out comes an
// http.Handler that says it in the cloud's own form, its errors included, and a
// Server that misbehaves on request and keeps a log; or the volume's files. It
// belongs to the tool; nothing of it is ever part of the agent.
package simulate

import (
	"fmt"
	"net/http"
	"strings"
)

// A Machine is the instance that a service or a volume describes.
type Machine struct {
	InstanceID string
	Hostname   string
	// PublicKeys are OpenSSH authorized_keys lines.
	PublicKeys  []string
	LaunchIndex int
	// NICs are the machine's as its cloud describes them; none: as each service
	// here would of a machine that it knows nothing more of.
	NICs []NIC
	// Password is the default user's, on clouds that have one to give.
	Password string
	// UserData and VendorData are served as they are; nil: there is none.
	UserData, VendorData []byte
}

// A Cloud is one kind of metadata service.
type Cloud struct {
	// Name is that of the datasource it serves.
	Name string
	// Address is where the cloud's machines expect it, HOST:PORT.
	Address string
	// New makes the service of a machine.
	New func(Machine) http.Handler
}

// Clouds lists what can be simulated.
func Clouds() []Cloud {
	const linkLocal = "169.254.169.254:80"
	return []Cloud{
		{"akamai", linkLocal, func(m Machine) http.Handler { return Akamai{m} }},
		{"aliyun", "100.100.100.200:80", func(m Machine) http.Handler { return AliYun{Machine: m} }},
		{"azure", linkLocal, func(m Machine) http.Handler { return Azure{Machine: m} }},
		{"cloudcix", linkLocal, func(m Machine) http.Handler { return CloudCIX{m} }},
		{"cloudstack", "data-server:80", func(m Machine) http.Handler { return CloudStack{Machine: m} }},
		{"digitalocean", linkLocal, func(m Machine) http.Handler { return DigitalOcean{m} }},
		{"ec2", linkLocal, func(m Machine) http.Handler { return EC2{Machine: m} }},
		{"exoscale", linkLocal, func(m Machine) http.Handler { return CloudStack{Machine: m} }},
		{"gce", linkLocal, func(m Machine) http.Handler { return GCE{m} }},
		{"hetzner", linkLocal, func(m Machine) http.Handler { return Hetzner{m} }},
		{"maas", "", func(m Machine) http.Handler { return NewMAAS(m) }},
		{"nocloud", "", func(m Machine) http.Handler { return NoCloud{m} }},
		{"nwcs", linkLocal, func(m Machine) http.Handler { return NWCS{m} }},
		{"openstack", linkLocal, func(m Machine) http.Handler { return OpenStack{m} }},
		{"oracle", linkLocal, func(m Machine) http.Handler { return Oracle{Machine: m} }},
		{"scaleway", "169.254.42.42:80", func(m Machine) http.Handler { return Scaleway{Machine: m} }},
		{"upcloud", linkLocal, func(m Machine) http.Handler { return UpCloud{m} }},
		{"vultr", linkLocal, func(m Machine) http.Handler { return Vultr{m} }},
	}
}

// Find gives the cloud of that name.
func Find(name string) (Cloud, error) {
	var names []string
	for _, c := range Clouds() {
		if c.Name == name {
			return c, nil
		}
		names = append(names, c.Name)
	}
	return Cloud{}, fmt.Errorf("no cloud %q, only %s", name, strings.Join(names, ", "))
}
