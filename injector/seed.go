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

// An Image is what a root says of the sources. The zero value says nothing.
type Image struct {
	// Docs are those of the seed that the root holds, by the names that a seed's
	// files have.
	Docs map[string][]byte
	// Sources are those of datasource_list, or the one of ds-identify.cfg, as
	// they stand there. None: all.
	Sources []string
	// Certain says that there is but one, which needs no evidence.
	Certain bool
	// Server says that seedfrom, in the settings of NoCloud, is a server.
	Server bool
	// Settings are what stands below "datasource", as YAML, by the source's name
	// in lower case. They may hold secrets.
	Settings map[string]string
	// Origin is the file that names the sources.
	Origin string
	// Problems are what cannot be obeyed.
	Problems []instance.Problem
}

// identifyConfig is the configuration of ds-identify(8).
const identifyConfig = "/etc/cloud/ds-identify.cfg"

// Sources gives what the root says of the sources: the seed in the directory
// that is named, or else in the usual directories, and what its cloud.cfg and
// its drop-ins say of datasources (cloud-init's documentation of NoCloud and
// None), and ds-identify's own file. Where listed is false somebody else has
// named the sources, and the root's lists do not count. It only reads.
//
// As with cloud-init, user-data of cloud.cfg count more than those of a
// directory, metadata less; what seedfrom leads to counts more than both, its
// metadata less.
func Sources(r seedReader, named string, listed bool) (i Image) {
	if named != "" {
		return Image{Docs: state.Seed(r, named)}
	}
	base := r.CloudConfig()
	said := &cloudconfig.Value{}
	if slices.ContainsFunc(base, aboutSources) {
		cfg, _ := cloudconfig.Merge(nil, nil, nil, base) // who plans says what is wrong
		list := cfg.Get("datasource_list")
		for _, item := range list.Items() {
			i.Sources = append(i.Sources, item.Scalar())
		}
		i.Origin = list.Pos.Origin
		said = cfg.Get("datasource")
		i.settings(said)
	}
	if name := i.identify(r); name != "" {
		i.Sources, i.Origin = []string{name}, identifyConfig
	}
	if !listed {
		i.Sources = nil
	}
	i.Certain = len(i.Sources) == 1 || len(i.Sources) == 2 && i.Sources[1] == none
	if len(i.Sources) > 0 && i.Sources[0] == none {
		// Nothing else is to be used than what stands for a seed here.
		i.Docs, i.Sources = noneSeed(said.Get(none)), []string{none, "NoCloud"}
		return i
	}
	if len(i.Sources) == 0 || slices.ContainsFunc(i.Sources, isNoCloud) {
		i.noCloud(r, said.Get("NoCloud"))
	}
	return i
}

// none is the source that is used where there is no other.
const none = "None"

// isNoCloud knows the names of NoCloud.
func isNoCloud(name string) bool {
	return strings.EqualFold(name, "NoCloud") || strings.EqualFold(name, "NoCloudNet") || strings.EqualFold(name, "nocloud-net")
}

// settings keeps what is said of each source.
func (i *Image) settings(said *cloudconfig.Value) {
	i.Settings = map[string]string{}
	for _, e := range said.Map {
		if e.Value.Kind == cloudconfig.Map {
			i.Settings[strings.ToLower(e.Key.Scalar())] = string(e.Value.Document())
		}
	}
}

// identify reads ds-identify.cfg as ds-identify does, line by line, and gives
// the source that it names. Of its policy nothing is left to be obeyed here:
// whether cloud-init is off, who plans the network asks.
func (i *Image) identify(r seedReader) (name string) {
	body, err := r.ReadFileMax(identifyConfig, maxIdentify)
	if err != nil {
		return ""
	}
	n := 0
	for line := range strings.Lines(string(body)) {
		n++
		line, _, _ = strings.Cut(line, "#")
		key, value, _ := strings.Cut(line, ":")
		value = strings.Trim(strings.TrimSpace(value), "\"'")
		switch strings.TrimSpace(key) {
		case "datasource":
			name = value
		case "policy":
			if strings.Contains(value, "enabled") || strings.Contains(value, "maybe=all") {
				i.Problems = append(i.Problems, instance.Problem{Origin: identifyConfig, Line: n, Warning: true,
					Message: "policy: " + value + ": no source is asked here that nothing speaks for; name it in datasource_list, alone, or as boothook.source= on the kernel command line"})
			}
		}
	}
	return name
}

// maxIdentify bounds ds-identify.cfg.
const maxIdentify = 64 << 10

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

// noCloud adds what is said of NoCloud to what the directories hold.
func (i *Image) noCloud(r seedReader, said *cloudconfig.Value) {
	i.Docs = state.Seed(r, "")
	if said.Kind != cloudconfig.Map {
		return
	}
	docs := i.Docs
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
	i.Docs = docs
	from := strings.TrimSpace(said.Get("seedfrom").Scalar())
	dir := strings.TrimPrefix(from, "file://")
	switch seed := map[string][]byte(nil); {
	case from == "":
	case strings.HasPrefix(from, "http://"), strings.HasPrefix(from, "https://"):
		i.Server = true
	case !strings.HasPrefix(dir, "/"):
		i.cannot(said, "an image's seed is at a path, file://, http:// or https://")
	default:
		if seed = state.Seed(r, dir); seed == nil {
			i.cannot(said, "there is neither meta-data nor user-data at "+dir)
			break
		}
		lower(docs, seed[state.SeedMeta])
		for _, name := range []string{state.SeedUser, state.SeedVendor, state.SeedNetwork} {
			docs[name] = seed[name]
		}
	}
}

// cannot says what is wrong with seedfrom.
func (i *Image) cannot(said *cloudconfig.Value, what string) {
	i.Problems = append(i.Problems, instance.Problem{Origin: said.Pos.Origin, Line: said.Get("seedfrom").Pos.Line, Message: "seedfrom: " + what})
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
