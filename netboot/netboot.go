// Package netboot is the search for the instance: from a machine whose network
// is dark to what its cloud says of it.
//
// In go the evidence by which the machine was recognised, the kernel's words
// and some small interfaces to what does I/O; out comes one value, Found: the
// instance, the lease and the client it came over, and what spoke for its
// source. All NICs are asked at once and the first answer counts, unless a
// volume or a seed in the root holds an instance: those come first, although
// they appear later than the network.
//
// The package knows nothing of how a root is changed. The sub-packages are the
// stages: platform recognises, nic raises and leases, fetch speaks HTTP, source
// knows the datasources, volume reads file systems.
package netboot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"boothook/netboot/fetch"
	"boothook/netboot/instance"
	"boothook/netboot/nic"
	"boothook/netboot/platform"
	"boothook/netboot/source"
)

// ErrNoAnswer says that no source that was asked has given an instance.
var ErrNoAnswer = errors.New("no source answered")

// Options are the kernel's words about the search.
type Options struct {
	// Timeout is the whole time for network and metadata (boothook.timeout=).
	Timeout time.Duration
	// UserDataURL is another place for the user-data (boothook.url=): an
	// http, https or tftp address, or file:// for a file of the initrd.
	UserDataURL string
}

// A Search is what an instance is searched by.
type Search struct {
	Evidence platform.Evidence
	// Matches are the sources to ask, in this order. None: nobody is asked.
	Matches []platform.Match
	Options Options

	Held    Held // nil: nothing is held back
	Network Network
	Sources Sources
	Volumes Volumes
	Seed    Seed
	Watcher Watcher
}

// Found is what a search comes to. But for the instance, which is data, it
// belongs to the process that has searched.
type Found struct {
	Instance instance.Instance
	// Match names the source, and says what spoke for it.
	Match platform.Match
	// Lease and Client are those that led to the source. Client is nil where
	// no network was needed.
	Lease  nic.Lease
	Client *fetch.Client
	// Deadline is when the time for the network is spent.
	Deadline time.Time

	sources Sources
}

// Find searches until something is found or the time is spent. When it returns
// no more NICs will be raised; those that are stay as they are, and their work
// goes on until ctx is done, which the caller sees to.
func (s *Search) Find(ctx context.Context) (*Found, error) {
	if s.Held != nil {
		if err := s.Held.Wait(ctx); err != nil {
			return nil, err
		}
	}
	timed, end := context.WithTimeout(ctx, s.Options.Timeout)
	context.AfterFunc(ctx, end) // the NICs' work outlives this function

	var answers <-chan answer
	if s.WantsNetwork(nil) {
		answers = s.askNetwork(timed, nil)
	}
	volumes, closeVolumes, err := s.Volumes.List(ctx)
	if err != nil {
		return nil, err
	}
	defer closeVolumes()
	// What a volume or the root holds counts more than what the network says,
	// even if that has answered already: which of them counts must not depend
	// on who is quicker. Only a list in the root can say otherwise.
	seed := source.SeedInRoot(&s.Evidence)
	image := s.Seed.Seed(seed.Directory)
	volumes = append(image.Volumes, volumes...)
	switch {
	case image.Server && answers == nil: // it is to be asked for the rest
		image.Rest = source.Volume{Label: source.SeedLabel, FS: source.Files(image.Docs)}
		image.Docs = nil
	case image.Server && !seed.Barred:
		s.tell(&image, seed.Match.Source, "seedfrom was not asked: the network was, before the root was there; ds=nocloud;s=ADDRESS on the kernel command line is there in time")
	}
	local := s.askLocal(timed, seed, &image, volumes)
	if local != nil && (answers == nil || !s.first(&image, local.Match.Source)) {
		return local, nil
	}
	found, err := s.overNetwork(timed, answers, &image, volumes)
	if err != nil && local != nil {
		return local, nil
	}
	return found, err
}

// overNetwork gives what the network says, and asks it where only the root or a
// volume leads there.
func (s *Search) overNetwork(ctx context.Context, answers <-chan answer, image *Image, volumes []source.Volume) (*Found, error) {
	if answers == nil {
		late := *s
		if image.Rest.FS != nil {
			volumes = append(volumes, image.Rest)
		}
		if late.Matches = s.lateMatches(image); late.Matches != nil && (image.Server || late.WantsNetwork(volumes)) {
			answers = late.askNetwork(ctx, volumes)
		}
		return late.await(ctx, answers)
	}
	if len(s.Matches) > 0 && s.lateMatches(image) == nil { // nothing that may answer would count
		s.leftOut(image, &s.Matches[0])
		return nil, fmt.Errorf("%w by the image's datasource_list: %s", errLeftOut, s.Matches[0].Source)
	}
	found, err := s.await(ctx, answers)
	s.unheard(image, err)
	if err == nil {
		found, err = s.allowed(ctx, image, found, volumes)
	}
	if err != nil {
		return nil, err
	}
	return s.complete(ctx, found, volumes)
}

// WantsNetwork says that a source has to be asked over the network. Those that
// read a volume first may find in it that they need the network.
func (s *Search) WantsNetwork(volumes []source.Volume) bool {
	return s.Options.UserDataURL != "" || slices.ContainsFunc(s.Matches, func(m platform.Match) bool {
		src, err := source.Find(m.Source)
		return err != nil || src.NeedsNetwork(&s.Evidence, volumes)
	})
}

// lastMoment is how long an answer counts that comes as the time ends.
const lastMoment = 100 * time.Millisecond

// await waits for the network's answer until the time is spent.
func (s *Search) await(ctx context.Context, answers <-chan answer) (*Found, error) {
	if answers == nil {
		return nil, ErrNoAnswer
	}
	select {
	case a := <-answers:
		return a.found, a.err
	case <-ctx.Done():
	}
	select {
	case a := <-answers:
		return a.found, a.err
	case <-time.After(lastMoment):
		return nil, s.noAnswer(nil)
	}
}

// noAnswer says that the time is spent, and what the last NIC has met.
func (s *Search) noAnswer(last error) error {
	err := fmt.Errorf("%w within %v", ErrNoAnswer, s.Options.Timeout)
	if last == nil || errors.Is(last, ErrNoAnswer) {
		return err
	}
	return fmt.Errorf("%w: %w", err, last)
}

// complete asks once more, over the same lease, where a volume adds to what the
// network says: it was not there when the network was asked.
func (s *Search) complete(ctx context.Context, found *Found, volumes []source.Volume) (*Found, error) {
	src, err := source.Find(found.Match.Source)
	if err != nil || !src.Reads(volumes) {
		return found, nil
	}
	inst, err := s.Sources.Ask(ctx, found.over(), found.Match, volumes)
	if err != nil {
		return nil, err
	}
	s.Watcher.Mark("volume read")
	more := *found
	more.Instance = inst
	return &more, nil
}

func (f *Found) over() Over { return Over{Lease: &f.Lease, Client: f.Client} }

// More fetches documents of the source's own tree, by their names, over the
// lease that led to it. A name that the source has nothing of is absent.
func (f *Found) More(ctx context.Context, names ...string) (source.Docs, error) {
	return f.sources.More(ctx, f.over(), f.Match, names)
}

// Tell lets the source know what became of the instance, while the network is
// still up.
func (f *Found) Tell(ctx context.Context, out instance.Outcome) error {
	return f.sources.Tell(ctx, f.over(), f.Match, out)
}
