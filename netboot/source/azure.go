package source

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"strings"

	"boothook/netboot/fetch"
	"boothook/netboot/instance"
	"boothook/netboot/platform"
)

// Azure: the "Instance Metadata Service" over the network, and ovf-env.xml on
// the provisioning volume, a UDF, which holds the custom data that the portal
// asks for. See azuretell.go for the report that the platform waits for.
const (
	azureInstance    = "instance?api-version=2021-08-01&extended=true"
	azureInstanceOld = "instance?api-version=2019-06-01"
	azureOVF         = "ovf-env.xml"
	azureLabel       = "rd_rdfe_stable" // and a date
)

func azure() *Source {
	return &Source{
		Name: "azure", Network: true, Labels: []string{azureLabel + "*"}, DHCPOptions: []uint8{azureWireserverOption}, seeds: []string{"seed/azure"},
		fetch: fetchAzure, parse: parseAzure, tell: tellAzure,
		Rules: []platform.Rule{
			{Platform: "azure", Fact: platform.Fact{Of: "chassis_asset_tag", Is: "7783-7084-3265-9085-8269-3286-77"}, HardwareID: platform.ProductUUID},
			// A volume's label has a date behind it; this is the seed in a root.
			{Platform: "azure", Given: true, Fact: platform.Fact{Of: platform.Label, Is: azureLabel}, HardwareID: platform.ProductUUID},
		},
	}
}

func fetchAzure(ctx context.Context, env *Env) (Docs, error) {
	got := Docs{}
	for _, v := range env.Volumes {
		if strings.HasPrefix(v.Label, azureLabel) {
			ovf, err := readDocs(v.FS, ".", doc{path: azureOVF})
			if err != nil {
				return nil, err
			}
			got = ovf
			break
		}
	}
	if env.HTTP == nil { // a seed, and no Azure around it
		return got, nil
	}
	meta, err := azureMetadata(ctx, env, azureInstance)
	if fetch.Status(err) == 400 { // a service older than the version
		meta, err = azureMetadata(ctx, env, azureInstanceOld)
	}
	if err != nil {
		return nil, err
	}
	got[azureInstance] = meta
	return got, nil
}

func azureMetadata(ctx context.Context, env *Env, path string) ([]byte, error) {
	resp, err := env.HTTP.Do(ctx, fetch.Request{
		URL:    "http://169.254.169.254/metadata/" + path,
		Header: map[string]string{"Metadata": "true"},
		NotYet: []int{404, 410}, // while the machine is being made
	})
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

func parseAzure(got Docs, ev *platform.Evidence) (*instance.Instance, error) {
	root, err := parseJSON("instance", got[azureInstance])
	if err != nil && (got[azureInstance] != nil || got[azureOVF] == nil) {
		return nil, err
	}
	compute := root.object("compute")
	profile := compute.object("osProfile")
	in := &instance.Instance{
		ID:       strings.ToLower(ev.DMI["product_uuid"]),
		Hostname: profile.str("computerName"),
		MetaData: map[string]any{"imds": map[string]any{
			"compute": compute.without("userData", "customData", "osProfile", "publicKeys"), "network": root["network"],
		}},
	}
	if in.ID == "" {
		in.ID = strings.ToLower(compute.str("vmId"))
	}
	for _, k := range compute.items("publicKeys") {
		// The portal lets line breaks into a key.
		in.PublicKeys = append(in.PublicKeys, keyLines(strings.NewReplacer("\r", "", "\n", "").Replace(k.str("keyData")))...)
	}
	in.UserData = promised(in, "userData", string(compute.body(in, "userData")))
	ovf, err := readAzureOVF(in, string(got[azureOVF]))
	if err != nil {
		in.Bad(azureOVF, err.Error()+"; what comes after it is left out")
	}
	in.Hostname = cmp.Or(in.Hostname, ovf.host, compute.str("name"))
	in.MetaData["instance-id"], in.MetaData["local-hostname"] = in.ID, in.Hostname
	in.NetworkConfig = azureNetwork(root.object("network"))
	if ovf.customData != nil {
		in.UserData = ovf.customData // what the volume says counts more, as for cloud-init
	}
	// The disc is gone after the first boot.
	in.Partial = got[azureOVF] == nil && in.UserData == nil
	// Of the account it is the other way round.
	user := cmp.Or(profile.str("adminUsername"), ovf.user)
	locked := cmp.Or(profile.str("disablePasswordAuthentication"), ovf.locked)
	in.VendorData = azureAccount(user, ovf.password, locked)
	return in, nil
}

// An azureEnvironment is what ovf-env.xml says of a machine; empty where it
// says nothing.
type azureEnvironment struct {
	customData                   []byte
	host, user, password, locked string
}

// azureRedacted stands where a password was, once cloud-init has seen it.
const azureRedacted = "REDACTED"

// readAzureOVF looks for elements by their names, whatever their prefix: an
// XML library would weigh more than all the sources together.
func readAzureOVF(in *instance.Instance, doc string) (e azureEnvironment, err error) {
	var custom string
	for _, field := range [...]struct {
		name string
		to   *string
	}{
		{"HostName", &e.host}, {"CustomData", &custom}, {"UserName", &e.user}, {"UserPassword", &e.password}, {"DisableSshPasswordAuthentication", &e.locked},
	} {
		text, err := xmlText(doc, field.name)
		if err != nil && !errors.Is(err, errNoElement) {
			return e, err
		}
		*field.to = unescapeXML(text)
	}
	if e.password == azureRedacted {
		e.password = ""
	}
	if custom == "" {
		return e, nil
	}
	e.customData = promised(in, "CustomData", custom)
	return e, nil
}

// azureNetwork turns the interfaces of the service: the first address of each
// family comes by DHCP, all others are given; names are resolved over the first
// NIC alone, whose routes count most.
func azureNetwork(network object) []byte {
	c := netConfig{}
	for i, nic := range network.items("interface") {
		four, six := nic.object("ipv4"), nic.object("ipv6")
		if four.items("ipAddress") == nil && six.items("ipAddress") == nil {
			continue
		}
		mac := nic.str("macAddress")
		if len(mac) == 12 {
			mac = mac[0:2] + ":" + mac[2:4] + ":" + mac[4:6] + ":" + mac[6:8] + ":" + mac[8:10] + ":" + mac[10:12]
		}
		name := "eth" + strconv.Itoa(i)
		l := c.ethernet(name, mac)
		l.set("set-name", name)
		l.set("dhcp4", true)
		l.set("dhcp4-overrides", dhcpOverrides(i))
		if six.items("ipAddress") != nil {
			l.set("dhcp6", true)
			l.set("dhcp6-overrides", dhcpOverrides(i))
		}
		l.further(four, "24")
		l.further(six, "128")
	}
	return c.document()
}

// further adds the addresses beside the first of one family.
func (l object) further(family object, bits string) {
	if subnets := family.items("subnet"); len(subnets) > 0 {
		bits = cmp.Or(subnets[0].text("prefix"), bits)
	}
	for i, a := range family.items("ipAddress") {
		if i > 0 {
			l.address(a.str("privateIpAddress"), bits)
		}
	}
}

// azureAccount is the cloud-config of the account that the machine was ordered
// with: the image's default user under another name, who may do everything,
// also where the image does not say so, and perhaps has a password.
func azureAccount(user, password, locked string) []byte {
	account, config := object{}, object{}
	if user != "" {
		account["name"], account["sudo"] = user, "ALL=(ALL) NOPASSWD:ALL"
	}
	if password != "" {
		account["plain_text_passwd"], account["lock_passwd"] = password, false
	}
	if len(account) > 0 {
		config["system_info"] = object{"default_user": account}
	}
	if locked != "" || password != "" {
		config["ssh_pwauth"] = !strings.EqualFold(locked, "true")
	}
	if len(config) == 0 {
		return nil
	}
	return cloudConfig(config)
}

var (
	errNoElement = errors.New("no such element")
	errOpen      = errors.New("an element has no end")
)

// xmlText gives the text of the first element of that local name, which must
// hold nothing else. Comments and declarations are skipped.
func xmlText(doc, name string) (string, error) {
	for {
		i := strings.IndexByte(doc, '<')
		if i < 0 {
			return "", errNoElement
		}
		doc = doc[i:]
		end := ">"
		if strings.HasPrefix(doc, "<!--") {
			end = "-->"
		}
		tag, rest, ok := strings.Cut(doc, end)
		if !ok {
			return "", errOpen
		}
		doc = rest
		full, _, _ := strings.Cut(strings.Map(spaces, strings.TrimSuffix(tag[1:], "/")), " ")
		if local := full[strings.IndexByte(full, ':')+1:]; local != name || end != ">" {
			continue
		}
		if strings.HasSuffix(tag, "/") {
			return "", nil
		}
		text, _, ok := strings.Cut(doc, "</"+full)
		if !ok || strings.ContainsRune(text, '<') {
			return "", errOpen
		}
		return strings.TrimSpace(text), nil
	}
}

// spaces makes every white space a plain one.
func spaces(r rune) rune {
	if r == '\t' || r == '\n' || r == '\r' {
		return ' '
	}
	return r
}
