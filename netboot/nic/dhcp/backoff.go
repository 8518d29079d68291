package dhcp

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	minWait = 40 * time.Millisecond // for the first answer, or an eighth of the pace
	// steadyFor is how long messages are repeated at the pace; after that each
	// wait is twice the last one, up to maxWait.
	steadyFor = 12 * time.Second
	maxWait   = 8 * time.Second
	spread    = 50 // percent that a wait is shorter or longer, at random
)

// A Backoff says how long to wait for the answer to each message. The first
// waits are shorter than the pace, because just after a link came up the first
// answer is often lost: the other side's queue, or a switch, was not ready for it.
type Backoff struct {
	pace  time.Duration
	start time.Time
	wait  time.Duration
}

// NewBackoff gives the waits of an exchange that began at start, whose messages
// are to be repeated once per pace.
func NewBackoff(pace time.Duration, start time.Time) *Backoff {
	return &Backoff{pace: pace, start: start, wait: min(pace, max(pace/8, minWait)) / 2}
}

// Next gives the next wait.
func (b *Backoff) Next() time.Duration {
	limit := b.pace
	if time.Since(b.start) > steadyFor {
		limit = maxWait
	}
	b.wait = max(min(2*b.wait, limit), b.wait)
	return jitter(b.wait)
}

// jitter changes d by up to spread percent of itself, so that machines that
// were switched on together do not send together.
func jitter(d time.Duration) time.Duration {
	span := int64(d) * spread / 100
	return d + time.Duration(rand.Int64N(2*span+1)-span)
}

// Sleep waits for d or for the end of ctx.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
