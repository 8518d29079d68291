package simulate

import (
	"encoding/json"
	"net/http"
)

// DigitalOcean is the droplet metadata API. A droplet's id is a number: the
// machine's InstanceID must be one.
type DigitalOcean struct{ Machine }

func (c DigitalOcean) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	documents{
		"/metadata/v1.json": jsonOf(map[string]any{
			"droplet_id": json.Number(c.InstanceID), "hostname": c.Hostname, "region": "nyc3",
			"user_data": text(c.UserData), "vendor_data": text(c.VendorData), "public_keys": c.keys(),
			"auth_key": "not-to-be-stored",
			"interfaces": map[string]any{"public": []any{map[string]any{
				"mac": "04:01:2a:0f:2a:01", "type": "public",
				"ipv4": map[string]any{"ip_address": "104.131.20.105", "netmask": "255.255.192.0", "gateway": "104.131.0.1"},
			}}},
			"dns": map[string]any{"nameservers": []string{"8.8.8.8", "8.8.4.4"}},
		}),
		"/metadata/v1/id":       []byte(c.InstanceID),
		"/metadata/v1/hostname": []byte(c.Hostname),
	}.ServeHTTP(w, r)
}

// UpCloud is UpCloud's metadata service.
type UpCloud struct{ Machine }

func (c UpCloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	documents{"/metadata/v1.json": jsonOf(map[string]any{
		"cloud_name": "upcloud", "instance_id": c.InstanceID, "hostname": c.Hostname, "platform": "servers",
		"subplatform": "metadata (http://169.254.169.254)", "public_keys": c.keys(), "region": "fi-hel1",
		"user_data": string(c.UserData), "vendor_data": string(c.VendorData), "tags": []string{},
		"network": map[string]any{"dns": []string{"94.237.127.9"}, "interfaces": []any{map[string]any{
			"index": 1, "mac": "32:d5:ba:4a:36:e7", "type": "public", "ip_addresses": []any{map[string]any{
				"address": "94.237.105.53", "dhcp": true, "family": "IPv4", "gateway": "94.237.104.1", "network": "94.237.104.0/22",
			}},
		}}},
	})}.ServeHTTP(w, r)
}

// Vultr is Vultr's metadata service. It is taken to want the header that
// cloud-init sends.
type Vultr struct{ Machine }

func (c Vultr) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Metadata-Token") == "" {
		http.Error(w, "forbidden", http.StatusForbidden)
		return
	}
	documents{"/v1.json": jsonOf(map[string]any{
		"hostname": c.Hostname, "instanceid": "42506325", "instance-v2-id": c.InstanceID, "public-keys": c.keys(),
		"region":    map[string]string{"regioncode": "EWR", "countrycode": "US"},
		"user-data": string(c.UserData), "vendor-data": []any{string(c.VendorData)}, "startup-script": "",
		"interfaces": c.vultr(), "user-defined": []any{},
	})}.ServeHTTP(w, r)
}

// NWCS is NWCS's metadata service.
type NWCS struct{ Machine }

func (c NWCS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	documents{"/api/v1/metadata": jsonOf(map[string]any{
		"instance-id": c.InstanceID, "hostname": c.Hostname, "public-keys": c.keys(),
		"userdata": text(c.UserData), "vendordata": text(c.VendorData),
		"network": c.version1(),
	})}.ServeHTTP(w, r)
}

// CloudCIX is CloudCIX's metadata service.
type CloudCIX struct{ Machine }

func (c CloudCIX) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	documents{
		"/v1/metadata": jsonOf(map[string]any{
			"instance_id": c.InstanceID, "hostname": c.Hostname, "ssh_keys": c.keys(),
			"network": c.version2(),
		}),
		"/v1/userdata": c.UserData,
	}.ServeHTTP(w, r)
}

// Hetzner is Hetzner Cloud's metadata service. Without user-data it answers
// 204. Its metadata are YAML, of which JSON is a kind.
type Hetzner struct{ Machine }

func (c Hetzner) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/hetzner/v1/userdata" && c.UserData == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	documents{
		"/hetzner/v1/metadata": jsonOf(map[string]any{
			"availability-zone": "fsn1-dc14", "hostname": c.Hostname, "instance-id": json.Number(c.InstanceID),
			"local-ipv4": "", "public-ipv4": "192.0.2.7", "public-keys": c.keys(), "region": "eu-central",
			"vendor_data": text(c.VendorData), "private-networks": c.hetznerPrivate(),
			"network-config": map[string]any{"version": 1, "config": []any{map[string]any{"type": "physical", "name": "eth0", "subnets": []any{map[string]any{"type": "dhcp", "ipv4": true}}}}},
		}),
		"/hetzner/v1/metadata/instance-id": []byte(c.InstanceID),
		"/hetzner/v1/userdata":             c.UserData,
	}.ServeHTTP(w, r)
}

// NoCloud is a web server with a seed at its root.
type NoCloud struct{ Machine }

func (c NoCloud) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.documents().ServeHTTP(w, r) }

func (c NoCloud) documents() documents {
	var network []byte
	if c.NICs != nil {
		network = jsonOf(c.version2())
	}
	return documents{
		"/network-config": network,
		"/meta-data": jsonOf(map[string]any{
			"instance-id": c.InstanceID, "local-hostname": c.Hostname, "public-keys": c.keys(),
		}),
		"/user-data":   c.UserData,
		"/vendor-data": c.VendorData,
	}
}
