package source

import (
	"context"
	"fmt"
	"strings"

	"boothook/netboot/guestinfo"
	"boothook/netboot/instance"
	"boothook/netboot/platform"
)

// OVF environments (DMTF DSP0243, §11): ovf-env.xml on a volume that VMware,
// VirtualBox and others attach, with properties that whoever deployed the
// machine has filled in. Their names are those that cloud-init gave them.
const (
	ovfEnvironment = "ovf-env.xml"
	// ovfID is what cloud-init calls an instance that nobody named.
	ovfID = "iid-dsovf"
	// maxOVFProperties bounds the properties of one environment.
	maxOVFProperties = 1000
)

// The labels of the volume differ by who makes it.
const (
	ovfLabelSpaced    = "ovf env"
	ovfLabelPlain     = "ovfenv"
	ovfLabelTransport = "ovf-transport"
)

func ovfLabels() []string { return []string{ovfLabelSpaced, ovfLabelPlain, ovfLabelTransport} }

func ovf() *Source {
	return &Source{
		Name: "ovf", Labels: ovfLabels(), seeds: []string{"seed/ovf"}, fetch: fetchOVF, parse: parseOVF,
		Rules: []platform.Rule{
			{Platform: "ovf", Given: true, Fact: platform.Fact{Of: platform.Label, Is: ovfLabelSpaced}, HardwareID: platform.ProductUUID},
			{Platform: "ovf", Given: true, Fact: platform.Fact{Of: platform.Label, Is: ovfLabelPlain}, HardwareID: platform.ProductUUID},
			{Platform: "ovf", Given: true, Fact: platform.Fact{Of: platform.Label, Is: ovfLabelTransport}, HardwareID: platform.ProductUUID},
			{Platform: "vmware", Fact: platform.Fact{Of: platform.GuestVariable, Is: guestinfo.OVF}, HardwareID: platform.ProductUUID},
		},
	}
}

func fetchOVF(_ context.Context, env *Env) (Docs, error) {
	for _, label := range ovfLabels() {
		if v, err := findVolume(env.Volumes, label); err == nil {
			return readDocs(v.FS, ".", doc{path: ovfEnvironment})
		}
	}
	return fetchOVFVariable()
}

// fetchOVFVariable reads the environment where vCenter puts it if no volume is
// to carry it (transport "com.vmware.guestInfo").
func fetchOVFVariable() (Docs, error) {
	host, err := guestinfo.Open()
	if err != nil {
		return nil, fmt.Errorf("%w: ovf, and %w", ErrNoVolume, err)
	}
	defer host.Close()
	body, err := host.Get(guestinfo.OVF)
	if err != nil {
		return nil, err
	}
	return Docs{ovfEnvironment: body}, nil
}

func parseOVF(got Docs, _ *platform.Evidence) (*instance.Instance, error) {
	properties, err := ovfProperties(string(got[ovfEnvironment]))
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrMalformed, ovfEnvironment, err)
	}
	in := &instance.Instance{
		ID:         properties.str("instance-id"),
		Hostname:   properties.text("local-hostname", "hostname"),
		PublicKeys: keyLines(properties.str("public-keys")),
		MetaData:   properties.without("user-data", "network-config", "password", "seedfrom"),
	}
	if in.ID == "" {
		in.ID = ovfID
	}
	in.UserData = properties.bytes("user-data")
	if plain, err := fromBase64(string(in.UserData)); err == nil {
		in.UserData = plain
	}
	if password := properties.str("password"); password != "" {
		in.VendorData = cloudConfig(object{"password": password})
	}
	if network := properties.str("network-config"); network != "" {
		if in.NetworkConfig, err = fromBase64(network); err != nil {
			in.Bad("network-config", "is not base64, and left out")
		}
	}
	in.MetaData["instance-id"], in.MetaData["local-hostname"] = in.ID, in.Hostname
	return in, nil
}

// ovfProperties collects the attributes key and value of all elements that are
// called Property, whatever their prefix.
func ovfProperties(doc string) (object, error) {
	found := object{}
	for {
		i := strings.IndexByte(doc, '<')
		if i < 0 {
			return found, nil
		}
		doc = doc[i:]
		if strings.HasPrefix(doc, "<!--") {
			_, rest, ok := strings.Cut(doc, "-->")
			if !ok {
				return nil, errOpen
			}
			doc = rest
			continue
		}
		end := tagEnd(doc)
		if end < 0 {
			return nil, errOpen
		}
		tag := strings.TrimSuffix(doc[1:end], "/")
		doc = doc[end+1:]
		name, attributes, _ := strings.Cut(strings.Map(spaces, tag), " ")
		if localName(name) != "Property" {
			continue
		}
		if key := attribute(attributes, "key"); key != "" && len(found) < maxOVFProperties {
			found[key] = attribute(attributes, "value")
		}
	}
}

// tagEnd gives where the tag that doc begins with ends, -1 for nowhere. What is
// quoted may hold anything.
func tagEnd(doc string) int {
	var quote byte
	for i := range len(doc) {
		switch c := doc[i]; {
		case c == quote:
			quote = 0
		case quote != 0:
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			return i
		}
	}
	return -1
}

// attribute gives the attribute of that local name.
func attribute(attributes, name string) string {
	for {
		full, rest, ok := strings.Cut(attributes, "=")
		rest = strings.TrimLeft(rest, " ")
		if !ok || rest == "" || rest[0] != '"' && rest[0] != '\'' {
			return ""
		}
		value, after, ok := strings.Cut(rest[1:], rest[:1])
		if !ok {
			return ""
		}
		if localName(strings.TrimSpace(full)) == name {
			return unescapeXML(value)
		}
		attributes = after
	}
}

func localName(name string) string { return name[strings.IndexByte(name, ':')+1:] }
