package injector

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"boothook/injector/root"
	"boothook/injector/state"
	"boothook/netboot/instance"
)

// A recoverable is a root whose state can be reached and brought in order.
type recoverable interface {
	MountFor(paths []string) error
	Persistence() string
	Recover(ctx context.Context) (root.Recovery, error)
}

// recoverRoot makes the state of the root readable, and finishes what a boot
// before this one could not; a dry run leaves that alone.
func recoverRoot(ctx context.Context, r recoverable, dryRun bool) (found problems, err error) {
	if err := r.MountFor([]string{state.CloudDir, state.OwnDir}); err != nil {
		return nil, fmt.Errorf("reach the root's state: %w", err)
	}
	if text := r.Persistence(); text != "" {
		found.warn(text)
	}
	if dryRun {
		return found, nil
	}
	unfinished, err := r.Recover(ctx)
	if err != nil {
		return found, fmt.Errorf("finish an earlier boot's work: %w", err)
	}
	if unfinished.Found {
		became := "was undone: it had changed nothing yet"
		if unfinished.Finished {
			became = "is finished now"
		}
		found.warn("the work of an earlier boot was cut short and " + became)
		if unfinished.LeftOver != "" {
			found.warn("not all that it had staged could be taken away: " + unfinished.LeftOver)
		}
	}
	return found, nil
}

// An identity is who the machine is, and what is due on its root.
type identity struct {
	instance  *instance.Instance
	documents documents
	// known is what the root knew before.
	known    *state.Known
	decision state.Decision
	problems problems
}

// identify decides which instance the machine is and what is due on its root,
// at each boot anew if again is set. Stored data stand in where nothing was
// fetched, or only part of what is stored. Without a fetched instance they
// count on the machine alone that they were stored on, known by one of its
// hardware ids: a clone of its disk is another machine, whose data are yet to
// be fetched.
func identify(r state.Reader, p *Prepared, hardwareIDs []string, again bool) (*identity, error) {
	who := &identity{instance: &instance.Instance{}, known: state.Read(r)}
	who.problems.add(who.known.Problems...)
	stored, ok := who.known.Stored()
	if p == nil {
		if !ok || !slices.ContainsFunc(hardwareIDs, who.known.Applied) {
			return who, ErrNothing
		}
		who.problems.warn("the source did not answer, so the data stored in the root are used")
	}
	if p == nil || ok && p.instance.Partial && p.instance.ID == stored.ID {
		p = prepareStored(stored, who.known.Processed())
	}
	who.instance, who.documents = &p.instance, p.documents
	policy := state.AgainInstance
	if again {
		policy = state.AgainBoot
	}
	decision, err := state.Decide(who.known, who.instance.ID, policy)
	if err != nil {
		return who, err
	}
	who.decision = *decision
	who.problems.add(decision.Problems...)
	return who, nil
}

// ErrUnsigned says that user-data came without the signature that is required.
// Nothing is done with the instance then, so that a later boot can.
var ErrUnsigned = errors.New("refused: boothook.verify=require accepts only signed user-data, and it is not signed")

// checkSigned refuses documents that are not signed where a signature is
// required, which, until signatures exist, is all of them.
func checkSigned(d documents, required bool) error {
	if required && !d.empty() {
		return ErrUnsigned
	}
	return nil
}
