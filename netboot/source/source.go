// Package source holds the datasources: one file for each, and the table that
// names them.
//
// In goes an Env: a client that reaches the network, and what is known of the
// machine. Out comes an instance.Instance with bodies exactly as the service
// delivered them (a transfer encoding that the cloud itself prescribes
// undone). Every file keeps asking (fetchX) apart from understanding (ParseX,
// pure). A source never reads credentials, never guesses an instance-id, and
// never takes a failure for "no user-data".
package source

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"boothook/netboot/fetch"
	"boothook/netboot/instance"
	"boothook/netboot/platform"
)

// MaxID is the longest instance-id accepted, in bytes. It becomes the name of
// a directory.
const MaxID = 200

// What a caller may want to tell apart.
var (
	// ErrUnknown: no datasource has that name.
	ErrUnknown = errors.New("unknown datasource")
	// ErrBadID: the source gave no instance-id, or one that cannot be used.
	ErrBadID = errors.New("bad instance-id")
	// ErrMalformed: an answer is not in the form that the source documents.
	ErrMalformed = errors.New("malformed metadata")
)

// An Env is what a source sees of the world.
type Env struct {
	// HTTP reaches the metadata service.
	HTTP *fetch.Client
	// Evidence is what the machine was recognised by.
	Evidence platform.Evidence
}

// A Source is one datasource.
type Source struct {
	// Name is the datasource's name, as platform.Match has it.
	Name string
	// Network says that the source needs a lease first.
	Network bool
	// Fetch asks for everything the source has to say.
	Fetch func(context.Context, Env) (instance.Instance, error)
}

// Table lists all sources.
func Table() []Source {
	return []Source{
		{Name: "ec2", Network: true, Fetch: fetchEC2},
	}
}

// Find gives the source of that name.
func Find(name string) (Source, error) {
	for _, s := range Table() {
		if s.Name == name {
			return s, nil
		}
	}
	return Source{}, fmt.Errorf("%w %q", ErrUnknown, name)
}

// Fetch asks the datasource that m names, and completes and checks what it
// says. It takes as long as ctx allows before it gives up.
func Fetch(ctx context.Context, m platform.Match, env Env) (instance.Instance, error) {
	s, err := Find(m.Source)
	if err != nil {
		return instance.Instance{}, err
	}
	in, err := s.Fetch(ctx, env)
	if err != nil {
		return instance.Instance{}, fmt.Errorf("source %s: %w", s.Name, err)
	}
	if err := checkID(in.ID); err != nil {
		return instance.Instance{}, fmt.Errorf("source %s: %w", s.Name, err)
	}
	in.Source, in.Sign = s.Name, m.Sign
	if in.Platform == "" {
		in.Platform = m.Platform
	}
	return in, nil
}

// checkID accepts what can be one path component and one line of a file.
func checkID(id string) error {
	switch {
	case id == "":
		return fmt.Errorf("%w: there is none", ErrBadID)
	case len(id) > MaxID:
		return fmt.Errorf("%w: %d bytes of at most %d", ErrBadID, len(id), MaxID)
	case id == "." || id == "..":
		return fmt.Errorf("%w: %q", ErrBadID, id)
	}
	if i := strings.IndexFunc(id, func(r rune) bool { return r <= ' ' || r == '/' || r == 0x7f }); i >= 0 {
		return fmt.Errorf("%w: %q has %q in it", ErrBadID, id, id[i])
	}
	return nil
}
