package injector

import (
	"bytes"
	"slices"
	"strings"

	"boothook/injector/cloudconfig"
	"boothook/injector/plan"
	"boothook/injector/state"
	"boothook/netboot/instance"
)

// A seedReader is a root that a seed can be read of.
type seedReader interface {
	state.Reader
	CloudConfig() []plan.Document
}

// Seed gives the documents of the seed that the root holds, by the names that a
// seed's files have: those in the directory that is named, or else those of the
// usual directories and what the root's cloud.cfg and its drop-ins say below
// "datasource" (cloud-init's documentation of NoCloud and None). There are none
// where datasource_list leaves NoCloud out. It only reads.
//
// As with cloud-init, user-data of cloud.cfg count more than those of a
// directory, metadata less; what seedfrom leads to counts more than both, its
// metadata less.
func Seed(r seedReader, named string) (docs map[string][]byte, found []instance.Problem) {
	base := r.CloudConfig()
	if named != "" || !slices.ContainsFunc(base, aboutSources) {
		return state.Seed(r, named), nil
	}
	cfg, _ := cloudconfig.Merge(nil, nil, nil, base) // who plans says what is wrong
	var list []string
	for _, item := range cfg.Get("datasource_list").Items() {
		list = append(list, item.Scalar())
	}
	said := cfg.Get("datasource")
	switch {
	case len(list) > 0 && list[0] == "None":
		return noneSeed(said.Get("None")), nil
	case len(list) > 0 && !slices.Contains(list, "NoCloud"):
		return nil, nil
	}
	return noCloudSeed(r, said.Get("NoCloud"))
}

// aboutSources says whether a document may say something of the datasources.
func aboutSources(d plan.Document) bool { return bytes.Contains(d.Body, []byte("datasource")) }

// noneSeed gives what stands for an instance that no source has: Ubuntu's
// installer leaves its user-data this way.
func noneSeed(said *cloudconfig.Value) map[string][]byte {
	if said.Kind != cloudconfig.Map {
		return nil
	}
	return map[string][]byte{
		state.SeedMeta:      []byte("instance-id: iid-datasource-none\n"), // whatever its metadata say
		state.SeedLowerMeta: seedText(said.Get("metadata"), ""),
		state.SeedUser:      seedText(said.Get("userdata_raw"), cloudConfigHeader),
	}
}

// cloudConfigHeader begins user-data that stand there as a mapping.
const cloudConfigHeader = "#cloud-config\n"

func noCloudSeed(r seedReader, said *cloudconfig.Value) (docs map[string][]byte, found []instance.Problem) {
	docs = state.Seed(r, "")
	if said.Kind != cloudconfig.Map {
		return docs, nil
	}
	if docs == nil {
		docs = map[string][]byte{}
	}
	if said.Has("user-data") && said.Has("meta-data") {
		lower(docs, seedText(said.Get("meta-data"), ""))
		docs[state.SeedUser] = seedText(said.Get("user-data"), cloudConfigHeader)
		for name, header := range map[string]string{state.SeedVendor: cloudConfigHeader, state.SeedNetwork: ""} {
			if said.Has(name) {
				docs[name] = seedText(said.Get(name), header)
			}
		}
	}
	from := strings.TrimSpace(said.Get("seedfrom").Scalar())
	dir := strings.TrimPrefix(from, "file://")
	switch seed := map[string][]byte(nil); {
	case from == "":
	case !strings.HasPrefix(dir, "/"):
		found = append(found, instance.Problem{Origin: said.Pos.Origin, Line: said.Get("seedfrom").Pos.Line,
			Message: "seedfrom: an image's seed has to lie in the root here, at a path or file://; for a server, say ds=nocloud;s=ADDRESS on the kernel command line"})
	default:
		if seed = state.Seed(r, dir); seed == nil {
			found = append(found, instance.Problem{Origin: said.Pos.Origin, Line: said.Get("seedfrom").Pos.Line,
				Message: "seedfrom: there is neither meta-data nor user-data at " + dir})
			break
		}
		lower(docs, seed[state.SeedMeta])
		for _, name := range []string{state.SeedUser, state.SeedVendor, state.SeedNetwork} {
			docs[name] = seed[name]
		}
	}
	return docs, found
}

// lower adds metadata that count less than those that are there already.
func lower(docs map[string][]byte, meta []byte) {
	if docs[state.SeedMeta] == nil {
		docs[state.SeedMeta] = meta
	} else if docs[state.SeedLowerMeta] == nil {
		docs[state.SeedLowerMeta] = meta
	}
}

// seedText gives a document that stands in cloud.cfg: as text, or as what the
// text would have been read to be, with a header.
func seedText(v *cloudconfig.Value, header string) []byte {
	if v.Kind != cloudconfig.Map && v.Kind != cloudconfig.List {
		return []byte(v.Scalar())
	}
	return append([]byte(header), v.Document()...)
}
