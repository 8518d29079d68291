package source

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"boothook/netboot/fetch"
)

const (
	// optionalGrace is how long optional documents may hold up the others.
	optionalGrace = 500 * time.Millisecond
	// raceStagger is the start that an address has over the next, as
	// cloud-init gives it.
	raceStagger = 150 * time.Millisecond
	// raceGrace is how long the others may still answer once one address
	// has said no.
	raceGrace = time.Second
)

// A doc is one document to fetch, by its path below the service's base.
type doc struct {
	path string
	// optional documents are nice to have: failing to get one is the same
	// as there being none.
	optional bool
	// lenient documents are waited for as the others are, but a service that
	// refuses one, in whatever words, has none.
	lenient bool
	// header is sent beside that of all documents.
	header map[string]string
}

// gather fetches documents of one service at the same time. The first
// required document that cannot be had ends it, and is the error.
func gather(ctx context.Context, c *fetch.Client, base string, header map[string]string, want ...doc) (Docs, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		doc
		body []byte
		err  error
	}
	answers := make(chan answer, len(want))
	required := 0
	for _, d := range want {
		if !d.optional {
			required++
		}
		go func() {
			all := map[string]string{}
			maps.Copy(all, header)
			maps.Copy(all, d.header)
			resp, err := c.Do(ctx, fetch.Request{URL: at(base, d.path), Header: all, Once: d.optional})
			a := answer{doc: d, err: err}
			if err == nil {
				a.body = resp.Body
			}
			answers <- a
		}()
	}
	got := Docs{}
	var grace <-chan time.Time // runs once nothing required is missing
	for range want {
		if required == 0 && grace == nil {
			grace = time.After(optionalGrace)
		}
		select {
		case a := <-answers:
			switch {
			case a.err == nil:
				got[a.path] = a.body
			case a.lenient && fetch.Status(a.err) >= 400 && fetch.Status(a.err) < 500:
			case !a.optional && !errors.Is(a.err, fetch.ErrNotFound):
				return nil, a.err
			}
			if !a.optional {
				required--
			}
		case <-grace:
			return got, nil
		}
	}
	return got, nil
}

// at gives the address of a document: below the base, or where the base of a
// NoCloud seed has %s instead.
func at(base, path string) string {
	if strings.Contains(base, "%s") {
		return strings.ReplaceAll(base, "%s", path)
	}
	return base + path
}

// errNotNear: the service has no address of the family that the lease is of.
var errNotNear = errors.New("the service has no address that this lease leads to")

// near gives those of a service's addresses that are of the lease's own family:
// the others are the business of the other family's lease, and would be asked
// twice. A name may stand for either. Without an Address all are near.
func (l Lease) near(bases []string) []string {
	if !l.Address.IsValid() {
		return bases
	}
	return slices.DeleteFunc(slices.Clone(bases), func(base string) bool {
		host := strings.TrimPrefix(base, "http://")
		is6 := strings.HasPrefix(host, "[")
		is4 := host != "" && host[0] >= '0' && host[0] <= '9'
		return is6 && l.Address.Is4() || is4 && l.Address.Is6()
	})
}

// race asks the same of several addresses of one service, each starting a
// little after the one before it, or at once when that has failed. The first
// success wins and ends the others. A refusal ends the others only after they
// had a chance to say better.
func race[T any](ctx context.Context, bases []string, ask func(ctx context.Context, base string) (T, error)) (T, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		value T
		err   error
	}
	results := make(chan result, len(bases))
	started, pending := 0, 0
	start := func() {
		base := bases[started]
		started++
		pending++
		go func() {
			v, err := ask(ctx, base)
			results <- result{v, err}
		}()
	}
	if len(bases) == 0 {
		var none T
		return none, errNotNear
	}
	start()
	stagger := time.NewTicker(raceStagger)
	defer stagger.Stop()
	var first result // the first failure, which is the preferred address's most often
	var grace <-chan time.Time
	for {
		select {
		case r := <-results:
			pending--
			if r.err == nil {
				return r.value, nil
			}
			if first.err == nil {
				first = r
				grace = time.After(raceGrace)
			}
			if started < len(bases) {
				start()
			} else if pending == 0 {
				return first.value, first.err
			}
		case <-stagger.C:
			if started < len(bases) {
				start()
			}
		case <-grace:
			return first.value, first.err
		}
	}
}

// addresses gives the bases below which a service's documents are: those of the
// metadata_urls that an image names, or the usual ones.
func (e *Env) addresses(path string, usual ...string) []string {
	named, _ := e.settings["metadata_urls"].([]any)
	if len(named) == 0 {
		return usual
	}
	var bases []string
	for _, v := range named {
		if s, ok := v.(string); ok && len(bases) < maxAddresses {
			bases = append(bases, strings.TrimSuffix(s, "/")+"/"+path)
		}
	}
	return bases
}

// maxAddresses bounds the addresses that an image names for a service.
const maxAddresses = 8

// from gives the fetch of a source that is one round of documents from one
// base, which may be had under several addresses.
func from(bases []string, header map[string]string, want ...doc) func(context.Context, *Env) (Docs, error) {
	return func(ctx context.Context, env *Env) (Docs, error) {
		return race(ctx, env.Lease.near(bases), func(ctx context.Context, base string) (Docs, error) {
			env.HTTP.Open(base, len(want))
			return gather(ctx, env.HTTP, base, header, want...)
		})
	}
}
