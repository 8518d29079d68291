// Package source holds the datasources: one file for each, and the table that
// names them. A new cloud is one more file and one more line of the table: its
// Source says how its machines are identified and what it needs of the boot, so
// that no other package has to know the cloud.
//
// In goes an Env: a client that reaches the network, and what is known of the
// machine. Out comes an instance.Instance with bodies exactly as the service
// delivered them (a transfer encoding that the cloud itself prescribes
// undone). Every source has two steps: its fetch turns an Env into Docs, its
// parse turns Docs into an Instance and is pure. A source never reads
// credentials, never guesses an instance-id, and never takes a failure for "no
// user-data".
package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"

	"boothook/netboot/fetch"
	"boothook/netboot/instance"
	"boothook/netboot/platform"
)

// MaxID is the longest instance-id accepted, in bytes. It becomes the name of
// a directory.
const MaxID = 200

// The errors that callers distinguish, with errors.Is.
var (
	// ErrUnknown: no datasource has that name.
	ErrUnknown = errors.New("unknown datasource")
	// ErrBadID: the source gave no instance-id, or one that cannot be used.
	ErrBadID = errors.New("bad instance-id")
	// ErrMalformed: an answer is not in the form that the source documents.
	ErrMalformed = errors.New("malformed metadata")
	// ErrNoMore: the source has said all that it has to say, or the name is
	// not one that may be asked for.
	ErrNoMore = errors.New("no more metadata")
	// ErrNoVolume: no volume holds what the source expects.
	ErrNoVolume = errors.New("no such volume")
)

// An Env is what a source is asked with.
type Env struct {
	// HTTP reaches the metadata service, from a low port where the source says
	// so. Nil: it can only be asked without network.
	HTTP *fetch.Client
	// Evidence is what the machine was identified by.
	Evidence platform.Evidence
	// Volumes are the volumes found so far.
	Volumes []Volume
	// Sysfs and Dev are where sysfs and devices are, "/sys" and "/dev".
	Sysfs, Dev string
	// Lease is what DHCP said, where a source needs it.
	Lease Lease

	// settings are those of the match.
	settings object
}

// A Volume is a file system that may hold a seed. It is only read.
type Volume struct {
	Label string
	FS    fs.FS
	// Baked says that it came with the initrd.
	Baked bool
}

// A Lease is the part of a network lease that says where a service is. What the
// lease does not say is the zero value.
type Lease struct {
	// Interface is the NIC's name, the zone of link-local addresses.
	Interface string
	// Address is our own.
	Address netip.Addr
	// ServerID is the DHCP server (option 54), Gateway the default router.
	ServerID, Gateway netip.Addr
	// Options holds DHCPv4 options by their code, those of Source.DHCPOptions
	// among them.
	Options map[uint8][]byte
}

// Docs are a source's documents by path: what its service or volume holds. One
// that is not there is absent.
type Docs map[string][]byte

// text gives a document as trimmed text.
//
//go:noinline
func (d Docs) text(path string) string { return strings.TrimSpace(string(d[path])) }

// A Source is one datasource, and all that it needs of others.
type Source struct {
	// Name is the datasource's name, as platform.Match has it.
	Name string
	// Rules identify the machines that it serves. None: only a kernel word can
	// name it.
	Rules []platform.Rule
	// Labels are those of the volumes that it reads, in lower case; one that
	// ends in * stands for all labels with that prefix.
	Labels []string
	// Network says that it is always asked over the network; see NeedsNetwork.
	Network bool
	// LinkLocal4 and LinkLocal6 say that it can be reached with a link-local
	// address alone, where there is no DHCP.
	LinkLocal4, LinkLocal6 bool
	// LowPort says that Env.HTTP has to be a client whose connections come from
	// ports below 1024 (fetch.LowPort), which only root can have.
	LowPort bool
	// DHCPOptions are the codes of the DHCPv4 options that it reads in
	// Env.Lease.
	DHCPOptions []uint8
	// Modules are the kernel modules without which the kernel does not show its
	// documents.
	Modules []Module

	// seeds are directories of the root that stand for its volume.
	seeds []string
	// own says that cloud-init has no such source, so that no list of its leaves
	// it out.
	own bool

	fetch func(context.Context, *Env) (Docs, error)
	parse func(Docs, *platform.Evidence) (*instance.Instance, error)
	// more fetches documents of the service's own tree by their names; it is
	// nil for sources that have no such tree.
	more func(context.Context, *Env, []doc) (Docs, error)
	// tell is nil for sources that need not be told.
	tell func(context.Context, *Env, instance.Outcome) error
	// server gives the address where a source without Network is served all the
	// same; "" for none. It is nil for sources that never are.
	server func(*platform.Evidence, []Volume) (string, error)
	// directory gives the one in the root where the documents are, as evidence
	// names it; "" for the usual ones. It is nil for sources that have none.
	directory func(*platform.Evidence) string
}

// A Module is a kernel module that drives a device.
type Module struct {
	Name string
	// Device is there where the module is of use, Makes once it is loaded;
	// both are paths below sysfs.
	Device, Makes string
}

// Table lists all sources, in the order in which Detect names them.
func Table() []*Source {
	return []*Source{
		smbios(),
		fwcfg(),
		noCloud(),
		configDrive(),
		ibmCloud(),
		openNebula(),
		rbxCloud(),
		vmware(),
		azure(),
		ovf(),
		cloudStack(),
		digitalOcean(),
		vultr(),
		aliyun(),
		ec2(),
		gce(),
		openStack(),
		smartOS(),
		scaleway(),
		hetzner(),
		oracle(),
		exoscale(),
		upCloud(),
		nwcs(),
		akamai(),
		maas(),
		cloudCIX(),
		lxd(),
	}
}

// Find gives the source of that name.
func Find(name string) (*Source, error) {
	for _, s := range Table() {
		if s.Name == name {
			return s, nil
		}
	}
	return nil, fmt.Errorf("%w %q", ErrUnknown, name)
}

// Fetch gets all documents of the datasource that m names and parses them. It
// repeats what may succeed later until ctx ends.
func Fetch(ctx context.Context, m platform.Match, env Env) (instance.Instance, error) {
	s, err := Find(m.Source)
	if err != nil {
		return instance.Instance{}, err
	}
	if env.settings, err = parseYAML("settings", []byte(m.Settings)); err != nil {
		return instance.Instance{}, fmt.Errorf("source %s: %w", s.Name, err)
	}
	docs, err := s.fetch(ctx, &env)
	if err != nil {
		return instance.Instance{}, fmt.Errorf("source %s: %w", s.Name, err)
	}
	return Parse(m, docs, &env.Evidence)
}

// Parse makes an instance of documents of the datasource that m names. Documents
// that lie in the root, which Fetch does not see, are parsed this way.
func Parse(m platform.Match, docs Docs, ev *platform.Evidence) (instance.Instance, error) {
	s, err := Find(m.Source)
	if err != nil {
		return instance.Instance{}, err
	}
	in, err := s.parse(docs, ev)
	if err == nil {
		err = checkID(in)
	}
	if err != nil {
		return instance.Instance{}, fmt.Errorf("source %s: %w", s.Name, err)
	}
	in.Source, in.Platform, in.HardwareID = s.Name, m.Platform, m.HardwareID
	return *in, nil
}

// Tell reports the outcome to the datasource, where the cloud waits for such a
// report. It must be called while the network is still up.
func Tell(ctx context.Context, name string, env Env, out instance.Outcome) error {
	s, err := Find(name)
	if err != nil || s.tell == nil || s.Network && env.HTTP == nil {
		return err
	}
	if err := s.tell(ctx, &env, out); err != nil {
		return fmt.Errorf("source %s: tell outcome: %w", name, err)
	}
	return nil
}

// checkID refuses an instance without identity, and ids that are none. What has
// a blank or a slash in it is one, and is escaped where it names a file.
func checkID(in *instance.Instance) error {
	id := in.ID
	switch {
	case id == "":
		return fmt.Errorf("%w: there is none", ErrBadID)
	case len(id) > MaxID:
		return fmt.Errorf("%w: %d bytes of at most %d", ErrBadID, len(id), MaxID)
	case id == "." || id == "..":
		return fmt.Errorf("%w: %q", ErrBadID, id)
	}
	if i := strings.IndexFunc(id, func(r rune) bool { return r < ' ' || r == 0x7f }); i >= 0 {
		return fmt.Errorf("%w: %q has %q in it", ErrBadID, id, id[i])
	}
	if strings.ContainsAny(id, " /") {
		in.Odd("instance-id", "has a blank or a slash in it, which few ids have")
	}
	return nil
}
