package source

import (
	"context"
	"fmt"
	"strconv"

	"boothook/netboot/instance"
	"boothook/netboot/platform"
)

// RbxCloud (HyperOne) attaches a vfat volume with the label CLOUDMD. On it
// cloud.json describes the machine, and user.data is what its user gave along,
// if anything ("RbxCloud" in cloud-init's manual).
const (
	rbxLabel = "cloudmd"
	rbxMeta  = "cloud.json"
	rbxUser  = "user.data"
)

func rbxCloud() *Source {
	return &Source{
		Name: "rbxcloud", Labels: []string{rbxLabel}, fetch: fetchRbxCloud, parse: parseRbxCloud,
		Rules: []platform.Rule{{Platform: "rbxcloud", Given: true, Fact: platform.Fact{Of: platform.Label, Is: rbxLabel}, HardwareID: platform.ProductUUID}},
	}
}

func fetchRbxCloud(_ context.Context, env *Env) (Docs, error) {
	v, err := findVolume(env.Volumes, rbxLabel)
	if err != nil {
		return nil, err
	}
	return readDocs(v.FS, ".", doc{path: rbxMeta}, doc{path: rbxUser})
}

func parseRbxCloud(got Docs, _ *platform.Evidence) (*instance.Instance, error) {
	meta, err := parseJSON(rbxMeta, got[rbxMeta])
	if err != nil {
		return nil, err
	}
	if meta["vm"] == nil || meta["netadp"] == nil {
		return nil, fmt.Errorf("%w: %s lacks vm or netadp", ErrMalformed, rbxMeta)
	}
	vm, order := meta.object("vm"), meta.object("additionalMetadata")
	in := &instance.Instance{
		ID:         vm.str("_id"),
		Hostname:   vm.str("name"),
		PublicKeys: keysOf(order["sshKeys"]),
		UserData:   got[rbxUser],
		VendorData: rbxAccount(order.str("username"), order.object("password").str("sha512")),
	}
	in.MetaData = map[string]any{"instance-id": in.ID, "local-hostname": in.Hostname}
	in.NetworkConfig = rbxNetwork(meta)
	return in, nil
}

// rbxAccount is the cloud-config of the account that the machine was ordered
// with: the image's default user under that name, who may do everything, and
// the hash of its password, if it has one. Passwords count for SSH, whether or
// not there is one, and root does not log in.
func rbxAccount(name, hash string) []byte {
	account := object{}
	if name != "" {
		account["name"], account["gecos"], account["sudo"] = name, name, []string{"ALL=(ALL) NOPASSWD:ALL"}
	}
	if hash != "" {
		account["passwd"], account["lock_passwd"] = hash, false
	}
	return cloudConfig(object{"system_info": object{"default_user": account}, "ssh_pwauth": true, "disable_root": true, "manage_etc_hosts": false})
}

// rbxNetwork turns the adapters, which are eth0, eth1 and so on in their order.
// Nothing on this network gives addresses.
func rbxNetwork(meta object) []byte {
	c := netConfig{}
	for i, adapter := range meta.items("netadp") {
		name, network := "eth"+strconv.Itoa(i), adapter.object("network")
		l := c.ethernet(name, adapter.str("macaddress"))
		l.set("set-name", name)
		for _, ip := range adapter.items("ip") {
			l.address(ip.str("address"), network.str("netmask"))
		}
		if l["addresses"] == nil {
			continue
		}
		l.route("", network.str("gateway"))
		l.servers(list(network.object("dns")["nameservers"])...)
	}
	return c.document()
}
