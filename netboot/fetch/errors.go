package fetch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// The errors that a caller may want to tell apart.
var (
	// ErrNotFound: the service says that there is no such document.
	ErrNotFound = errors.New("no such document")
	// ErrTooLarge: a body, header or line exceeds its limit.
	ErrTooLarge = errors.New("answer too large")
	// ErrMalformed: what came is not HTTP.
	ErrMalformed = errors.New("malformed answer")
	// ErrRedirect: a redirect has no usable address, follows MaxRedirects
	// others, or leads from https to http.
	ErrRedirect = errors.New("bad redirect")
	// ErrBadURL: the address is not one that can be fetched.
	ErrBadURL = errors.New("bad address")
	// ErrNeedsTLS: the address is https and there is no TLS here.
	ErrNeedsTLS = errors.New("https is not available here")
	// ErrRefused: a tftp server refuses the document, or a proxy the
	// connection.
	ErrRefused = errors.New("refused")
	// ErrTLS: the TLS session was refused by either side.
	ErrTLS = errors.New("tls failed")

	// errSilent: no try was answered in time.
	errSilent = errors.New("no answer")
	// errStale: the connection was closed before it carried a byte of the
	// answer; another one may do.
	errStale = errors.New("connection closed before an answer")
)

// A StatusError is an answer that holds no document.
type StatusError struct {
	// Code is the status; 200 stands for an empty document.
	Code int
	// RetryAfter is when the service wants to be asked again, if it says so.
	RetryAfter time.Duration
}

func (e *StatusError) Error() string {
	if e.Code == 200 {
		return "empty answer"
	}
	return fmt.Sprintf("status %d", e.Code)
}

// Is makes 404, 204 and an empty answer ErrNotFound.
func (e *StatusError) Is(target error) bool {
	return target == ErrNotFound && (e.Code == 404 || e.Code == 204 || e.Code == 200)
}

// Status returns the status that err reports, 0 for none.
func Status(err error) int {
	var se *StatusError
	if errors.As(err, &se) {
		return se.Code
	}
	return 0
}

// verdict turns an answer into an error where it holds no document.
func verdict(method string, r *Response) error {
	switch {
	case r.Status < 200 || r.Status > 299:
		return &StatusError{Code: r.Status, RetryAfter: retryAfter(r.Header["retry-after"])}
	case method == "GET" && r.Status == 204:
		return &StatusError{Code: 204}
	case method == "GET" && len(r.Body) == 0:
		return &StatusError{Code: 200}
	}
	return nil
}

// again reports whether err may be over at the next try.
func again(err error, notYet []int) bool {
	var se *StatusError
	if errors.As(err, &se) {
		return se.Code >= 500 || se.Code == 408 || se.Code == 425 || se.Code == 429 || slices.Contains(notYet, se.Code)
	}
	for _, final := range []error{ErrTooLarge, ErrRedirect, ErrBadURL, ErrNeedsTLS, ErrTLS, ErrRefused, context.Canceled} {
		if errors.Is(err, final) {
			return false
		}
	}
	return true
}

// The bounds of waiting between tries.
const (
	firstWait = 20 * time.Millisecond
	// eagerWait is the ceiling while a service of the hypervisor's is
	// still coming up. It grows with the time already spent (1/256 of it),
	// so that the wait never adds more than a two-hundredth to the whole.
	eagerWait = 40 * time.Millisecond
	// lastWait is the ceiling for everything else.
	lastWait = time.Second
)

// A pacer spaces the tries of one request: exponentially from firstWait, with
// jitter, up to a ceiling.
type pacer struct {
	start time.Time
	tries int
}

// wait pauses after err, which a try begun then has brought; false means that
// ctx ended first. A connection that could not be made has cost some of the
// wait already: where nobody says whose an address is, the kernel asks three
// times before it gives up.
func (p *pacer) wait(ctx context.Context, err error, begun time.Time, distant bool) bool {
	ceiling := max(eagerWait, min(time.Since(p.start)/256, lastWait))
	var se *StatusError
	if errors.As(err, &se) && (distant || se.Code == 429) {
		ceiling = lastWait
	}
	d := min(firstWait<<min(p.tries, 10), ceiling)
	p.tries++
	d = d/2 + rand.N(d/2+1)
	if se != nil {
		d = max(d, se.RetryAfter)
	} else {
		d -= time.Since(begun)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
