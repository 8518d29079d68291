package source

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"strings"

	"boothook/netboot/instance"
	"boothook/netboot/platform"
)

// OpenStack gives the same documents by its metadata service and on a config
// drive (Nova's "Metadata" guide). The version "latest" is always there.
const (
	openStackMeta    = "meta_data.json"
	openStackUser    = "user_data"
	openStackVendor  = "vendor_data.json"
	openStackVendor2 = "vendor_data2.json"

	openStackNetworkData = "network_data.json"

	configLabel = "config-2" // of a config drive
	ibmLabel    = "metadata" // of IBM Cloud's
)

// openStack also is what some clouds are made of that call themselves by other
// names.
func openStack() *Source {
	return &Source{
		Name: "openstack", Network: true, LinkLocal6: true, Labels: []string{configLabel}, fetch: fetchOpenStack, parse: parseOpenStack,
		Rules: []platform.Rule{
			{Platform: "openstack", Fact: platform.Fact{Of: "product_name", Is: "OpenStack Nova"}, HardwareID: platform.ProductUUID},
			{Platform: "openstack", Fact: platform.Fact{Of: "product_name", Is: "OpenStack Compute"}, HardwareID: platform.ProductUUID},
			{Platform: "openstack", Fact: platform.Fact{Of: "chassis_asset_tag", Is: "OpenTelekomCloud"}, HardwareID: platform.ProductUUID},
			{Platform: "openstack", Fact: platform.Fact{Of: "chassis_asset_tag", Is: "SAP CCloud VM"}, HardwareID: platform.ProductUUID},
			{Platform: "openstack", Fact: platform.Fact{Of: "chassis_asset_tag", Is: "HUAWEICLOUD"}, HardwareID: platform.ProductUUID},
			{Platform: "openstack", Fact: platform.Fact{Of: "chassis_asset_tag", Is: "Samsung Cloud Platform"}, HardwareID: platform.ProductUUID},
			{Platform: "openstack", Fact: platform.Fact{Of: "chassis_asset_tag", Is: "OpenStack Nova"}, HardwareID: platform.ProductUUID},
			{Platform: "openstack", Fact: platform.Fact{Of: "chassis_asset_tag", Is: "OpenStack Compute"}, HardwareID: platform.ProductUUID},
		},
	}
}

func configDrive() *Source {
	return &Source{
		Name: "configdrive", Labels: []string{configLabel}, seeds: []string{"seed/config_drive", "/config-drive"}, fetch: fetchConfigDrive, parse: parseConfigDrive,
		Rules: []platform.Rule{{Platform: "openstack", Given: true, Fact: platform.Fact{Of: platform.Label, Is: configLabel}, HardwareID: platform.ProductUUID}},
	}
}

// ibmCloud's label alone says nothing: others use it, too.
func ibmCloud() *Source {
	return &Source{
		Name: "ibmcloud", Labels: []string{ibmLabel}, fetch: fetchIBMCloud, parse: parseOpenStack,
		Rules: []platform.Rule{{Platform: "ibmcloud", Given: true, Fact: platform.Fact{Of: platform.Label, Is: ibmLabel},
			Also: platform.Fact{Of: platform.Hypervisor, Is: "*"}, HardwareID: platform.ProductUUID}},
	}
}

func openStackDocs() []doc {
	return []doc{{path: openStackMeta}, {path: openStackUser}, {path: openStackVendor}, {path: openStackVendor2}, {path: openStackNetworkData}}
}

// fetchOpenStack prefers a config drive, which is there when the cloud has no
// service, or has said not to use it.
func fetchOpenStack(ctx context.Context, env *Env) (Docs, error) {
	if _, err := findVolume(env.Volumes, configLabel); err == nil {
		return fetchConfigDrive(ctx, env)
	}
	bases := env.addresses("openstack/latest/", "http://169.254.169.254/openstack/latest/")
	if len(env.settings) == 0 && env.Lease.Interface != "" {
		bases = append(bases, "http://[fe80::a9fe:a9fe%25"+env.Lease.Interface+"]/openstack/latest/")
	}
	return from(bases, nil, openStackDocs()...)(ctx, env)
}

func fetchConfigDrive(_ context.Context, env *Env) (Docs, error) {
	return openStackVolume(env.Volumes, configLabel)
}

// fetchIBMCloud reads what IBM Cloud calls a config drive: the same, under a
// label of its own.
func fetchIBMCloud(_ context.Context, env *Env) (Docs, error) {
	return openStackVolume(env.Volumes, ibmLabel)
}

// openStackVolume reads the documents of a config drive.
func openStackVolume(volumes []Volume, label string) (Docs, error) {
	v, err := findVolume(volumes, label)
	if err != nil {
		return nil, err
	}
	version := "latest"
	if _, err := fs.Stat(v.FS, path.Join("openstack", version, openStackMeta)); err != nil {
		if version, err = newestVersion(v.FS); err != nil {
			return nil, err
		}
	}
	got, err := readDocs(v.FS, path.Join("openstack", version), openStackDocs()...)
	if err != nil {
		return nil, err
	}
	// What the metadata name lies beside the versions.
	meta, err := parseOptional(openStackMeta, got[openStackMeta])
	if err != nil {
		return got, nil // who parses it will say so
	}
	var want []doc
	for _, f := range append(meta.items("files"), meta.object("network_config")) {
		if name := contentPath(f); name != "" && len(want) < maxContents {
			want = append(want, doc{path: name})
		}
	}
	contents, err := readDocs(v.FS, "openstack", want...)
	maps.Copy(got, contents)
	return got, err
}

// maxContents bounds the files that a config drive gives along.
const maxContents = 64

// contentPath gives the path of a document that the metadata name; "" for none
// that could be one.
func contentPath(o object) string {
	name := strings.Trim(o.str("content_path"), "/")
	if !strings.HasPrefix(name, "content/") || !fs.ValidPath(name) {
		return ""
	}
	return name
}

// openStackFiles gives the files that a config drive has for the root.
func openStackFiles(in *instance.Instance, meta object, got Docs) {
	for _, f := range meta.items("files") {
		name, to := contentPath(f), f.str("path")
		if body, there := got[name]; there && to != "" {
			in.Files = append(in.Files, instance.File{Path: to, Body: body})
		} else {
			in.Bad("files", "one has no path, or is not on the drive, and is left out")
		}
	}
}

// newestVersion finds the newest dated version on a drive without "latest".
func newestVersion(fsys fs.FS) (string, error) {
	entries, err := fs.ReadDir(fsys, "openstack")
	if err != nil {
		return "", fmt.Errorf("config drive: %w", err)
	}
	newest := ""
	for _, e := range entries { // in the order of their names
		if e.IsDir() && strings.HasPrefix(e.Name(), "2") {
			newest = e.Name()
		}
	}
	if newest == "" {
		return "", fmt.Errorf("config drive: %w: no version of openstack", ErrMalformed)
	}
	return newest, nil
}

// parseConfigDrive differs in the files, which cloud-init writes from a drive only.
func parseConfigDrive(got Docs, ev *platform.Evidence) (*instance.Instance, error) {
	in, err := parseOpenStack(got, ev)
	if err == nil {
		openStackFiles(in, in.MetaData, got)
	}
	return in, err
}

func parseOpenStack(got Docs, _ *platform.Evidence) (*instance.Instance, error) {
	meta, err := parseJSON(openStackMeta, got[openStackMeta])
	if err != nil {
		return nil, err
	}
	in := &instance.Instance{
		ID:         meta.str("uuid"),
		Hostname:   meta.str("hostname"),
		PublicKeys: keysOf(meta["public_keys"]),
		UserData:   got[openStackUser],
		MetaData:   meta.without("random_seed", "admin_pass"),
	}
	in.MetaData["instance-id"], in.MetaData["local-hostname"] = in.ID, in.Hostname
	in.VendorData, in.VendorData2 = vendorDocument(in, got[openStackVendor]), vendorDocument(in, got[openStackVendor2])
	in.NetworkConfig = openStackNetwork(in, got[openStackNetworkData])
	if text := got[contentPath(meta.object("network_config"))]; in.NetworkConfig == nil && text != nil {
		in.NetworkConfig = interfacesNetwork(in, "network_config", string(text))
	}
	return in, nil
}
