package source

import (
	"context"
	"path"
	"slices"
	"strings"
	"time"

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
	in := &instance.Instance{ID: got.text(gceID)}
	attributes, project := beside(in, "instance attributes", got[gceInstance]), beside(in, "project attributes", got[gceProject])
	fqdn := got.text(gceHostname)
	// The names are long, and Google asks for the short ones.
	short, _, _ := strings.Cut(fqdn, ".")
	if strings.Trim(fqdn, "0123456789.") == "" || strings.ContainsAny(fqdn, " \t") {
		short = fqdn // an address, or no name at all
	}
	zone := path.Base("/" + got.text(gceZone))
	in.Hostname, in.UserData = short, attributes.body(in, "user-data")
	in.MetaData = map[string]any{"instance-id": in.ID, "local-hostname": fqdn, "availability-zone": zone}
	if i := strings.LastIndexByte(zone, '-'); i > 0 {
		in.MetaData["region"] = zone[:i]
	}
	switch attributes.str("user-data-encoding") {
	case "":
	case "base64":
		in.UserData = promised(in, "user-data", string(in.UserData))
	default:
		in.Odd("user-data-encoding", "is not known, and user-data are kept as they are")
	}
	lines := gceKeys(attributes, project, time.Now())
	if lines != nil {
		in.MetaData["public-keys-data"] = lines
	}
	for _, line := range lines {
		user, key, ok := strings.Cut(line, ":")
		switch {
		case user == "cloudinit":
			in.PublicKeys = append(in.PublicKeys, key)
		case ok:
			if in.UserKeys == nil {
				in.UserKeys = map[string][]string{}
			}
			in.UserKeys[user] = append(in.UserKeys[user], key)
		}
	}
	return in, nil
}

// gceKeys collects the keys of instance and project that have not expired, each
// as USER:KEY.
func gceKeys(attributes, project object, now time.Time) []string {
	texts := []string{attributes.str("sshKeys"), attributes.str("ssh-keys")}
	blocked := strings.EqualFold(attributes.str("block-project-ssh-keys"), "true")
	if !blocked && texts[0] == "" {
		texts = append(texts, project.str("ssh-keys"), project.str("sshKeys"))
	}
	return slices.DeleteFunc(keyLines(strings.Join(texts, "\n")), func(line string) bool { return gceExpired(line, now) })
}

// gceExpired says that a key has had its time: after it stands
// google-ssh {"userName": …, "expireOn": TIME}.
func gceExpired(line string, now time.Time) bool {
	_, note, ok := strings.Cut(line, " google-ssh ")
	if !ok {
		return false
	}
	o, err := parseJSON("", []byte(note))
	if err != nil {
		return false
	}
	end, err := time.Parse("2006-01-02T15:04:05Z0700", o.str("expireOn"))
	return err == nil && now.After(end)
}
