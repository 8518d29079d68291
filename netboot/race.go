package netboot

import (
	"context"
	"fmt"
	"slices"
	"time"

	"boothook/netboot/instance"
	"boothook/netboot/nic"
	"boothook/netboot/platform"
	"boothook/netboot/source"
)

// lateLinkTime is how long a NIC may still appear, or its cable be put in, when
// all leases have led to services that said no for good.
const lateLinkTime = 5 * time.Second

// An answer is what the network has come to.
type answer struct {
	found *Found
	err   error
}

// askNetwork raises the NICs and begins to ask over them. The answer comes on
// the channel.
func (s *Search) askNetwork(ctx context.Context, volumes []source.Volume) <-chan answer {
	answers := make(chan answer, 1)
	nics, err := s.Network.Raise(ctx, s.wanted())
	if err != nil {
		answers <- answer{err: err}
		return answers
	}
	go func() { answers <- s.race(ctx, nics, volumes) }()
	return answers
}

// wanted is what the sources want of the NICs.
func (s *Search) wanted() nic.Options {
	// Some servers send an option only to those who request it.
	o := nic.Options{DHCPOptions: source.DHCPOptions(s.Matches)}
	for i := range s.Matches {
		if src, err := source.Find(s.Matches[i].Source); err == nil {
			o.LinkLocal4 = o.LinkLocal4 || src.LinkLocal4
			o.LinkLocal6 = o.LinkLocal6 || src.LinkLocal6
		}
	}
	// A recognised cloud's network stands more questions than a switch that
	// guards against floods.
	if !slices.ContainsFunc(s.Matches, func(m platform.Match) bool { return m.Platform == "" || m.HardwareID == "" }) {
		o.Pace = nic.CloudPace
	}
	return o
}

// race asks over every lease that comes, all at once; the first answer wins and
// ends the rest. When all have said no for good, and no other lease is on its
// way, it does not wait for the end of the time.
func (s *Search) race(ctx context.Context, nics NICs, volumes []source.Volume) answer {
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		leases  = nics.Leases()
		answers = make(chan answer)
		pending int
		lastErr error
		giveUp  <-chan time.Time
	)
	for leases != nil || pending > 0 {
		select {
		case lease, more := <-leases:
			if !more {
				leases = nil
				continue
			}
			s.Watcher.Leased(lease)
			pending++
			go func() { answers <- s.askOver(asking, lease, volumes) }()
		case a := <-answers:
			pending--
			if a.err == nil {
				cancel()
				go s.abandon(leases, answers, pending)
				s.won(nics, a.found)
				return a
			}
			lastErr = a.err
		case <-giveUp:
			if nics.Idle() {
				return answer{err: fmt.Errorf("%w: %w", ErrNoAnswer, lastErr)}
			}
		}
		if giveUp = nil; pending == 0 && lastErr != nil {
			giveUp = time.After(lateLinkTime)
		}
	}
	return answer{err: s.noAnswer(lastErr)}
}

// won ends the work on the other NICs and tells of the answer.
func (s *Search) won(nics NICs, found *Found) {
	s.Watcher.Mark("instance fetched")
	if err := nics.Settle(found.Lease.Index); err != nil {
		s.Watcher.Problem(instance.Problem{Origin: "network", Message: err.Error(), Warning: true})
	}
	s.Watcher.Answered(found)
}

// abandon takes the answers of those who have lost, so that they end, and tells
// of what leases still come.
func (s *Search) abandon(leases <-chan nic.Lease, answers <-chan answer, pending int) {
	for leases != nil || pending > 0 {
		select {
		case lease, more := <-leases:
			if !more {
				leases = nil
				continue
			}
			s.Watcher.Leased(lease)
		case a := <-answers:
			if pending--; a.err == nil {
				a.found.Client.Close()
			}
		}
	}
}

// askOver asks the sources in their order over one lease.
func (s *Search) askOver(ctx context.Context, lease nic.Lease, volumes []source.Volume) answer {
	over := Over{Lease: &lease, Client: s.Sources.Connect(&lease)}
	err := ErrNoAnswer
	for _, match := range s.Matches {
		var inst instance.Instance
		if inst, err = s.Sources.Ask(ctx, over, match, volumes); err == nil {
			found := s.found(ctx, inst, match)
			found.Lease, found.Client = lease, over.Client
			return answer{found: found}
		}
	}
	over.Client.Close()
	return answer{err: fmt.Errorf("over %s: %w", lease.Name, err)}
}

// found makes the result.
func (s *Search) found(ctx context.Context, inst instance.Instance, match platform.Match) *Found {
	f := &Found{Instance: inst, Match: match, sources: s.Sources}
	f.Deadline, _ = ctx.Deadline()
	return f
}
