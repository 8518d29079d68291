package source

import (
	"context"
	"path"
	"strings"

	"boothook/netboot/instance"
	"boothook/netboot/platform"
)

// Google Compute Engine's metadata server, asked by address so that no name
// has to be resolved. Service accounts, which give tokens, are never asked for.
const (
	gceID       = "instance/id"
	gceHostname = "instance/hostname"
	gceZone     = "instance/zone"
	gceInstance = "instance/attributes/?recursive=true"
	gceProject  = "project/attributes/?recursive=true"
)

func gce() *Source {
	return &Source{
		Name: "gce", Network: true, fetch: fetchGCE, parse: parseGCE,
		Rules: []platform.Rule{
			{Platform: "gce", Fact: platform.Fact{Of: "product_name", Is: "Google Compute Engine"}, HardwareID: platform.ProductSerial},
			{Platform: "gce", Fact: platform.Fact{Of: "product_serial", Is: "GoogleCloud-*"}, HardwareID: platform.ProductSerial},
		},
	}
}

func fetchGCE(ctx context.Context, env *Env) (Docs, error) {
	return from(
		[]string{"http://169.254.169.254/computeMetadata/v1/", "http://[fd20:ce::254]/computeMetadata/v1/"},
		map[string]string{"Metadata-Flavor": "Google"},
		doc{path: gceID}, doc{path: gceInstance}, doc{path: gceHostname}, doc{path: gceZone}, doc{path: gceProject},
	)(ctx, env)
}

func parseGCE(got Docs, _ *platform.Evidence) (*instance.Instance, error) {
	attributes, err := parseOptional("instance attributes", got[gceInstance])
	if err != nil {
		return nil, err
	}
	project, err := parseOptional("project attributes", got[gceProject])
	if err != nil {
		return nil, err
	}
	fqdn := got.text(gceHostname)
	// The names are long, and Google asks for the short ones.
	short, _, _ := strings.Cut(fqdn, ".")
	if strings.Trim(fqdn, "0123456789.") == "" || strings.ContainsAny(fqdn, " \t") {
		short = fqdn // an address, or no name at all
	}
	zone := path.Base("/" + got.text(gceZone))
	in := &instance.Instance{
		ID:       got.text(gceID),
		Hostname: short,
		UserData: attributes.bytes("user-data"),
		MetaData: map[string]any{"instance-id": got.text(gceID), "local-hostname": fqdn, "availability-zone": zone},
	}
	if i := strings.LastIndexByte(zone, '-'); i > 0 {
		in.MetaData["region"] = zone[:i]
	}
	if attributes.text("user-data-encoding") == "base64" {
		if in.UserData, err = mustBase64("user-data", string(in.UserData)); err != nil {
			return nil, err
		}
	}
	lines := gceKeys(attributes, project)
	if lines != nil {
		in.MetaData["public-keys-data"] = lines
	}
	for _, line := range lines {
		if key, ok := strings.CutPrefix(line, "cloudinit:"); ok {
			in.PublicKeys = append(in.PublicKeys, key)
		}
	}
	return in, nil
}

// gceKeys collects the keys of instance and project, each as USER:KEY. Which
// user is the image's default one is not known here: the lines for it are for
// who plans with MetaData["public-keys-data"].
func gceKeys(attributes, project object) []string {
	texts := []string{attributes.text("sshKeys"), attributes.text("ssh-keys")}
	blocked := strings.EqualFold(attributes.text("block-project-ssh-keys"), "true")
	if !blocked && texts[0] == "" {
		texts = append(texts, project.text("ssh-keys"), project.text("sshKeys"))
	}
	return keyLines(strings.Join(texts, "\n"))
}
