package source

import (
	"context"
	"errors"
	"time"

	"boothook/netboot/fetch"
)

// optionalGrace is how long optional documents may hold up the others.
const optionalGrace = 500 * time.Millisecond

// A doc is one document to fetch, by its path below the service's base.
type doc struct {
	path string
	// optional documents are nice to have: failing to get one is the same
	// as there being none.
	optional bool
}

// docs are documents by path. One that the service does not have is absent.
type docs map[string][]byte

// text gives a document as trimmed text.
func (d docs) text(path string) string { return trim(d[path]) }

// gather fetches documents of one service at the same time. The first
// required document that cannot be had ends it, and is the error.
func gather(ctx context.Context, c *fetch.Client, base string, header map[string]string, want ...doc) (docs, error) {
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
			resp, err := c.Do(ctx, fetch.Request{URL: base + d.path, Header: header, Once: d.optional})
			a := answer{doc: d, err: err}
			if err == nil {
				a.body = resp.Body
			}
			answers <- a
		}()
	}
	got := docs{}
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
