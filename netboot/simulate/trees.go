package simulate

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// AliYun is Alibaba Cloud's service: EC2's tree, a version and a token of its
// own. Hardened refuses requests without a token, with 403.
type AliYun struct {
	Machine
	Hardened bool
}

const (
	aliyunToken    = "X-Aliyun-Ecs-Metadata-Token"
	aliyunTokenTTL = "X-Aliyun-Ecs-Metadata-Token-Ttl-Seconds"
)

func (c AliYun) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/latest/api/token" && r.Method == http.MethodPut {
		ttl, err := strconv.Atoi(r.Header.Get(aliyunTokenTTL))
		if err != nil || ttl < 1 || ttl > ec2MaxTTL {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		fmt.Fprint(w, "QVRHN0FaUkFOVEtGU0pTOThFMjgzNA==")
		return
	}
	if c.Hardened && r.Header.Get(aliyunToken) == "" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	d := documents{
		"/2016-01-01/meta-data/instance-id": []byte(c.InstanceID),
		"/2016-01-01/meta-data/hostname":    []byte(c.Hostname),
		"/2016-01-01/user-data":             c.UserData,
		"/2016-01-01/vendor-data":           c.VendorData,
	}
	for _, n := range c.NICs {
		d["/2016-01-01/meta-data/network/interfaces/macs/"+n.MAC+"/network-interface-id"] = []byte("eni-" + n.MAC)
	}
	list := ""
	for i, key := range c.PublicKeys {
		list += fmt.Sprintf("%d=key-%d\n", i, i)
		d[fmt.Sprintf("/2016-01-01/meta-data/public-keys/%d/openssh-key", i)] = []byte(key)
	}
	if list != "" {
		d["/2016-01-01/meta-data/public-keys/"] = []byte(list)
	}
	d.ServeHTTP(w, r)
}

// CloudStack is the virtual router of Apache CloudStack, and the service of
// Exoscale, which descends from it.
//
// It is the server of passwords, too, which the real ones have at port 8080: a
// request with the header DomU_Request asks for the password, or says that it has
// been set.
type CloudStack struct {
	Machine
	// Saved, if set, is called when the password is said to have been set.
	Saved func()
}

func (c CloudStack) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Header.Get("DomU_Request") {
	case "":
	case "send_my_password":
		fmt.Fprintln(w, c.Password)
		return
	case "saved_password":
		if c.Saved != nil {
			c.Saved()
		}
		fmt.Fprintln(w, "saved_password")
		return
	default:
		fmt.Fprintln(w, "bad_request")
		return
	}
	d := documents{}
	for _, version := range []string{"/latest/", "/1.0/"} {
		d[version+"meta-data/instance-id"] = []byte(c.InstanceID)
		d[version+"meta-data/local-hostname"] = []byte(c.Hostname)
		d[version+"user-data"] = c.UserData
		if len(c.PublicKeys) > 0 {
			d[version+"meta-data/public-keys"] = []byte(strings.Join(c.PublicKeys, "\n"))
		}
	}
	d.ServeHTTP(w, r)
}

// OpenStack is Nova's metadata service.
type OpenStack struct{ Machine }

func (c OpenStack) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d := c.documents()
	d["/openstack"] = []byte("2012-08-10\n2018-08-27\nlatest")
	d["/openstack/"] = d["/openstack"]
	d.ServeHTTP(w, r)
}

// documents are those that the service and a config drive have.
func (c OpenStack) documents() documents {
	keys := map[string]string{}
	for i, k := range c.PublicKeys {
		keys[fmt.Sprintf("key-%d", i)] = k
	}
	var vendor []byte
	if c.VendorData != nil {
		vendor = jsonOf(map[string]string{"cloud-init": string(c.VendorData)})
	}
	links := []any{map[string]any{"id": "tap1a81968a-79", "type": "ovs", "ethernet_mac_address": "fa:16:3e:ed:9a:59", "mtu": 1450}}
	networks := []any{map[string]any{"id": "network0", "type": "ipv4_dhcp", "link": "tap1a81968a-79", "network_id": "da5bb487"}}
	if c.NICs != nil {
		links, networks = c.openStack()
	}
	return documents{
		"/openstack/latest/meta_data.json": jsonOf(map[string]any{
			"uuid": c.InstanceID, "hostname": c.Hostname, "name": c.Hostname, "public_keys": keys,
			"launch_index": c.LaunchIndex, "availability_zone": "nova", "random_seed": "bm90IHRvIGJlIHN0b3JlZA==",
			"project_id": "f7ac731cc11f40efbc03a9f9e1d1d21f", "devices": []any{},
		}),
		"/openstack/latest/user_data":         c.UserData,
		"/openstack/latest/vendor_data.json":  vendor,
		"/openstack/latest/vendor_data2.json": []byte("{}"),
		"/openstack/latest/network_data.json": jsonOf(map[string]any{
			"links": links, "networks": networks, "services": []any{},
		}),
	}
}

// GCE is Google's metadata server. It answers nobody who does not say
// "Metadata-Flavor: Google", and tells a proxy that it is one.
type GCE struct{ Machine }

func (c GCE) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Metadata-Flavor", "Google")
	w.Header().Set("Server", "Metadata Server for VM")
	if r.Header.Get("Metadata-Flavor") != "Google" || r.Header.Get("X-Forwarded-For") != "" {
		http.Error(w, "Your client does not have permission to get this URL.", http.StatusForbidden)
		return
	}
	attributes := map[string]string{}
	if c.UserData != nil {
		attributes["user-data"] = base64.StdEncoding.EncodeToString(c.UserData)
		attributes["user-data-encoding"] = "base64"
	}
	var keys []string
	for _, k := range c.PublicKeys {
		keys = append(keys, "cloudinit:"+k)
	}
	if keys != nil {
		attributes["ssh-keys"] = strings.Join(keys, "\n")
	}
	if strings.HasSuffix(r.URL.Path, "/attributes/") && r.URL.Query().Get("recursive") == "" {
		http.Error(w, "only recursive listings are simulated", http.StatusBadRequest)
		return
	}
	const v1 = "/computeMetadata/v1/"
	documents{
		v1 + "instance/id":          []byte(c.InstanceID),
		v1 + "instance/hostname":    []byte(c.Hostname),
		v1 + "instance/zone":        []byte("projects/123456789012/zones/europe-west1-b"),
		v1 + "instance/attributes/": jsonOf(attributes),
		v1 + "project/attributes/":  jsonOf(map[string]string{}),
	}.ServeHTTP(w, r)
}

// Oracle is Oracle Cloud's metadata service. OnlyV1 leaves out version 2.
type Oracle struct {
	Machine
	OnlyV1 bool
}

func (c Oracle) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/opc/v2/") && r.Header.Get("Authorization") != "Bearer Oracle" {
		http.Error(w, "forbidden", http.StatusForbidden)
		return
	}
	metadata := map[string]any{"ssh_authorized_keys": strings.Join(c.PublicKeys, "\n")}
	if c.UserData != nil {
		metadata["user_data"] = base64.StdEncoding.EncodeToString(c.UserData)
	}
	body := jsonOf(map[string]any{
		"id": c.InstanceID, "hostname": c.Hostname, "displayName": c.Hostname, "region": "phx", "ociAdName": "phx-ad-3",
		"canonicalRegionName": "us-phoenix-1", "shape": "VM.Standard2.1", "metadata": metadata,
	})
	d := documents{"/opc/v1/instance/": body}
	if c.NICs != nil {
		d["/opc/v1/vnics/"] = jsonOf(c.oracle())
	}
	if !c.OnlyV1 {
		d["/opc/v2/instance/"], d["/opc/v2/vnics/"] = body, d["/opc/v1/vnics/"]
	}
	d.ServeHTTP(w, r)
}

// Scaleway is Scaleway's metadata service: user-data and vendor-data are only
// for who asks from a port below 1024, unless AnyPort.
type Scaleway struct {
	Machine
	AnyPort bool
}

func (c Scaleway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, port, _ := net.SplitHostPort(r.RemoteAddr)
	if n, err := strconv.Atoi(port); r.URL.Path != "/conf" && !c.AnyPort && (err != nil || n >= 1024) {
		http.Error(w, "you must use a port below 1024", http.StatusForbidden)
		return
	}
	keys := []any{}
	for _, k := range c.PublicKeys {
		keys = append(keys, map[string]string{"key": k, "fingerprint": ""})
	}
	documents{
		"/conf": jsonOf(map[string]any{
			"id": c.InstanceID, "name": c.Hostname, "hostname": c.Hostname, "ssh_public_keys": keys,
			"tags": []string{}, "private_ip": nil, "public_ips": c.scaleway(), "commercial_type": "DEV1-S",
		}),
		"/user_data/cloud-init":   c.UserData,
		"/vendor_data/cloud-init": c.VendorData,
	}.ServeHTTP(w, r)
}

// Akamai is Akamai's (Linode's) Metadata Service API. Ids are numbers.
type Akamai struct{ Machine }

func (c Akamai) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const token = "0123456789abcdef0123456789abcdef"
	switch {
	case r.URL.Path == "/v1/token" && r.Method == http.MethodPut:
		if n, err := strconv.Atoi(r.Header.Get("Metadata-Token-Expiry-Seconds")); err != nil || n < 1 || n > 86400 {
			http.Error(w, "bad expiry", http.StatusBadRequest)
			return
		}
		fmt.Fprint(w, token)
	case r.Header.Get("Metadata-Token") != token:
		http.Error(w, "unauthorized", http.StatusUnauthorized)
	case r.URL.Path != "/v1/user-data" && r.Header.Get("Accept") != "application/json":
		fmt.Fprintf(w, "id: %s\nlabel: %s\n", c.InstanceID, c.Hostname) // the form for people
	default:
		id, _ := strconv.Atoi(c.InstanceID)
		var user []byte
		if c.UserData != nil {
			user = []byte(base64.StdEncoding.EncodeToString(c.UserData))
		}
		documents{
			"/v1/instance": jsonOf(map[string]any{
				"id": id, "label": c.Hostname, "region": "us-iad", "type": "g6-standard-1", "tags": []string{},
			}),
			"/v1/ssh-keys":  jsonOf(map[string]any{"users": map[string]any{"root": c.keys()}}),
			"/v1/user-data": user,
		}.ServeHTTP(w, r)
	}
}
