package source

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"strings"

	"boothook/netboot/instance"
	"boothook/netboot/platform"
)

// NoCloud takes the four documents from a volume with the label cidata, a web
// server, or a directory of the root. The kernel's
// command line and the machine's serial number may name the server and give
// metadata of their own:
//
//	ds=nocloud;h=NAME;i=INSTANCE-ID;s=ADDRESS;KEY=VALUE
//
// What is said there counts most, then the volume, then the server, which
// replaces the volume's other documents. See "NoCloud" in cloud-init's manual.
const (
	noCloudMeta    = "meta-data"
	noCloudUser    = "user-data"
	noCloudVendor  = "vendor-data"
	noCloudNetwork = "network-config"
	// noCloudServerMeta is the server's meta-data, which the others override.
	noCloudServerMeta = "seedfrom/meta-data"
	// noCloudID is what cloud-init calls an instance that nobody named.
	noCloudID = "nocloud"
)

// SeedLabel is the label of a volume with NoCloud's documents, which an initrd
// may also have in a directory.
const SeedLabel = "cidata"

func noCloud() *Source {
	return &Source{
		Name: "nocloud", Labels: []string{SeedLabel}, fetch: fetchNoCloud, parse: parseNoCloud,
		server: noCloudServer, directory: noCloudDirectory,
		Rules: []platform.Rule{
			{Platform: "nocloud", Given: true, Fact: platform.Fact{Of: "product_serial", Is: "*ds=nocloud*"}},
			{Platform: "nocloud", Given: true, Fact: platform.Fact{Of: platform.Label, Is: SeedLabel}},
		},
	}
}

func noCloudDocs() []doc {
	return []doc{{path: noCloudMeta}, {path: noCloudUser}, {path: noCloudVendor}, {path: noCloudNetwork}}
}

// noCloudServer gives the address of the web server that holds the seed, as
// kernel words, firmware or volume name it; "" where none of them does.
func noCloudServer(ev *platform.Evidence, volumes []Volume) (string, error) {
	got, err := noCloudVolume(volumes)
	if err != nil && !errors.Is(err, ErrNoVolume) {
		return "", err
	}
	meta, err := noCloudMetaData(got, ev)
	if err != nil {
		return "", err
	}
	from := expandDMI(meta.str("seedfrom"), ev.DMI)
	if strings.HasPrefix(from, "http://") || strings.HasPrefix(from, "https://") {
		return from, nil
	}
	return "", nil
}

// noCloudDirectory gives the directory of the root that holds the seed, as
// kernel words or firmware name it, by its path or as file://; "" where they do
// not.
func noCloudDirectory(ev *platform.Evidence) string {
	from := strings.TrimPrefix(expandDMI(noCloudWords(ev).text("seedfrom"), ev.DMI), "file://")
	if !strings.HasPrefix(from, "/") {
		return ""
	}
	return path.Clean(from)
}

func fetchNoCloud(ctx context.Context, env *Env) (Docs, error) {
	got, volumeErr := noCloudVolume(env.Volumes)
	if volumeErr != nil && !errors.Is(volumeErr, ErrNoVolume) {
		return nil, volumeErr
	}
	server, err := noCloudServer(&env.Evidence, env.Volumes)
	if err != nil {
		return nil, err
	}
	if server == "" {
		server = expandDMI(env.settings.str("seedfrom"), env.Evidence.DMI) // in the root's configuration
	}
	if server == "" {
		if volumeErr != nil && len(noCloudWords(&env.Evidence)) == 0 {
			return nil, volumeErr
		}
		return got, nil
	}
	if !strings.Contains(server, "%s") && !strings.HasSuffix(server, "/") && !strings.Contains(server, "?") {
		server += "/"
	}
	seed, err := gather(ctx, env.HTTP, server, nil, noCloudDocs()...)
	if err != nil {
		return nil, err
	}
	if seed[noCloudMeta] == nil && seed[noCloudUser] == nil {
		return nil, fmt.Errorf("%w: the seed server has neither meta-data nor user-data", ErrMalformed)
	}
	all := Docs{noCloudMeta: got[noCloudMeta], noCloudServerMeta: seed[noCloudMeta], noCloudNetwork: got[noCloudNetwork]}
	delete(seed, noCloudMeta)
	maps.Copy(all, seed)
	return all, nil
}

// noCloudVolume reads the volume with the label cidata.
func noCloudVolume(volumes []Volume) (Docs, error) {
	v, err := findVolume(volumes, SeedLabel)
	if err != nil {
		return nil, err
	}
	got, err := readDocs(v.FS, ".", noCloudDocs()...)
	if err != nil {
		return nil, err
	}
	if got[noCloudMeta] == nil && got[noCloudUser] == nil {
		return nil, fmt.Errorf("%w: %s holds neither meta-data nor user-data", ErrNoVolume, v.Label)
	}
	return got, nil
}

func parseNoCloud(got Docs, ev *platform.Evidence) (*instance.Instance, error) {
	meta, err := noCloudMetaData(got, ev)
	if err != nil {
		return nil, err
	}
	if meta.str("instance-id") == "" {
		meta["instance-id"] = noCloudID
	}
	in := &instance.Instance{
		ID:            meta.str("instance-id"),
		Hostname:      meta.text("local-hostname", "hostname"),
		PublicKeys:    keysOf(meta["public-keys"]),
		UserData:      got[noCloudUser],
		VendorData:    got[noCloudVendor],
		NetworkConfig: got[noCloudNetwork],
		// The address may hold a password.
		MetaData: meta.without("seedfrom"),
	}
	text := meta.str("network-interfaces")
	switch {
	case isInterfaces(in.NetworkConfig):
		in.NetworkConfig = interfacesNetwork(in, noCloudNetwork, string(in.NetworkConfig))
	case len(in.NetworkConfig) == 0 && text != "":
		in.NetworkConfig = interfacesNetwork(in, "network-interfaces", text)
	}
	return in, nil
}

// noCloudMetaData merges the metadata of all places.
func noCloudMetaData(got Docs, ev *platform.Evidence) (object, error) {
	merged := object{}
	for _, path := range []string{noCloudServerMeta, noCloudMeta} {
		meta, err := parseYAML(path, got[path])
		if err != nil {
			return nil, err
		}
		maps.Copy(merged, meta)
	}
	maps.Copy(merged, noCloudWords(ev))
	return merged, nil
}

// noCloudWords reads what kernel words and serial number say; the words win.
func noCloudWords(ev *platform.Evidence) object {
	said := object{}
	places := strings.Fields(ev.DMI["product_serial"])
	if _, name, settings := datasourceWord(ev.Words); name != "" {
		places = append(places, "ds="+name+";"+settings)
	}
	for _, w := range places {
		name, rest, found := strings.Cut(w, ";")
		if name != "ds=nocloud" && name != "ds=nocloud-net" || !found {
			continue
		}
		for pair := range strings.SplitSeq(rest, ";") {
			key, value, ok := strings.Cut(pair, "=")
			if !ok {
				continue
			}
			switch key {
			case "h":
				key = "local-hostname"
			case "i":
				key = "instance-id"
			case "s":
				key = "seedfrom"
			}
			said[key] = value
		}
	}
	return said
}

// expandDMI replaces __dmi.NAME__ by what the firmware says, the names being
// those of dmidecode(8).
func expandDMI(s string, dmi map[string]string) string {
	for _, n := range [...][2]string{
		{"baseboard-asset-tag", "board_asset_tag"}, {"baseboard-manufacturer", "board_vendor"},
		{"baseboard-product-name", "board_name"}, {"baseboard-serial-number", "board_serial"},
		{"baseboard-version", "board_version"}, {"bios-release-date", "bios_date"},
		{"bios-vendor", "bios_vendor"}, {"bios-version", "bios_version"},
		{"chassis-asset-tag", "chassis_asset_tag"}, {"chassis-manufacturer", "chassis_vendor"},
		{"chassis-serial-number", "chassis_serial"}, {"chassis-version", "chassis_version"},
		{"system-manufacturer", "sys_vendor"}, {"system-product-name", "product_name"},
		{"system-serial-number", "product_serial"}, {"system-uuid", "product_uuid"},
		{"system-version", "product_version"},
	} {
		s = strings.ReplaceAll(s, "__dmi."+n[0]+"__", dmi[n[1]])
	}
	return s
}
