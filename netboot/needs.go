package netboot

import (
	"context"

	"boothook/netboot/fetch"
	"boothook/netboot/instance"
	"boothook/netboot/nic"
	"boothook/netboot/platform"
	"boothook/netboot/source"
)

// Held holds packets back: where something hints that this machine has nothing
// to ask, none is sent until that is known for certain.
type Held interface {
	// Wait returns at once where nothing is held back; otherwise when it is
	// certain that there is something to ask. An error ends the search.
	Wait(ctx context.Context) error
}

// Network raises the machine's NICs.
type Network interface {
	// Raise begins the work and returns at once; it ends with ctx. The
	// options hold what the sources want, and the network adds what the
	// machine and the kernel's words say.
	Raise(ctx context.Context, o nic.Options) (NICs, error)
}

// NICs are those that were raised; *nic.Manager is them.
type NICs interface {
	// Leases gives every lease as it comes, and is closed when none can.
	Leases() <-chan nic.Lease
	// Idle says that no lease is on its way.
	Idle() bool
	// Settle ends the work on all NICs but the one with this index.
	Settle(index int) error
}

// Over is the way to a service: a lease, and the client that uses it.
type Over struct {
	Lease  *nic.Lease
	Client *fetch.Client
}

// Sources asks datasources. Where no network is needed the client is nil.
type Sources interface {
	// Connect gives the client that asks over a lease. Who calls closes it.
	Connect(*nic.Lease) *fetch.Client
	// Ask asks the source that the match names.
	Ask(context.Context, Over, platform.Match, []source.Volume) (instance.Instance, error)
	// More asks it for more documents.
	More(context.Context, Over, platform.Match, []string) (source.Docs, error)
	// Tell tells it the outcome.
	Tell(context.Context, Over, platform.Match, instance.Outcome) error
}

// Volumes are the file systems that may hold an instance's data.
type Volumes interface {
	// List gives them when no more can come: the root is mounted, and with it
	// the other devices are there. They are read until they are closed.
	List(ctx context.Context) (volumes []source.Volume, closeAll func(), err error)
}

// Seed holds what the root says of the sources. It is asked when Volumes has
// said that the root is there.
type Seed interface {
	// Seed gives it, with the seed in the directory that is named, or in the
	// usual ones where that is "".
	Seed(dir string) Image
}

// An Image is what the root says of the sources. The zero value says nothing.
type Image struct {
	// Docs are those of the seed for which there is a source.RootSeed.
	Docs source.Docs
	// Volumes are directories of the root that stand for a volume.
	Volumes []source.Volume
	// Sources are those to be used, as the root spells them, in this order.
	// None: all.
	Sources []string
	// Certain says that they need no evidence.
	Certain bool
	// Server says that the settings of the RootSeed's source name a server that
	// has the rest of the seed; Rest are then the Docs, as a volume.
	Server bool
	Rest   source.Volume
	// Settings are YAML, by the source's name. They may hold secrets.
	Settings map[string]string
	// Origin is the file that names the sources.
	Origin string
}

// A Watcher is told what happens while it does, from several goroutines and
// perhaps after the search is over.
type Watcher interface {
	// Leased tells of each lease.
	Leased(nic.Lease)
	// Answered tells what the network has said, as soon as it has. Find gives
	// the same pointer unless a volume or a seed has changed the answer.
	Answered(*Found)
	// Mark tells that a stage was reached, Problem what went wrong on the way.
	Mark(stage string)
	Problem(instance.Problem)
}
