package dhcp

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestBackoff(t *testing.T) {
	near := func(got, want time.Duration) bool { return got >= want/2 && got <= want*3/2 }
	const ms = time.Millisecond
	for _, tt := range []struct {
		pace    time.Duration
		started time.Duration // ago
		want    []time.Duration
	}{
		{500 * ms, 0, []time.Duration{500 * ms / 8, 125 * ms, 250 * ms, 500 * ms, 500 * ms}},
		{25 * ms, 0, []time.Duration{25 * ms, 25 * ms, 25 * ms}},
		{80 * ms, 0, []time.Duration{40 * ms, 80 * ms, 80 * ms}},
		{10 * ms, 0, []time.Duration{10 * ms, 10 * ms}},
		{500 * ms, time.Minute, []time.Duration{500 * ms / 8, 125 * ms, 250 * ms, 500 * ms, time.Second, 2 * time.Second, 4 * time.Second, maxWait, maxWait}},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := NewBackoff(tt.pace, time.Now().Add(-tt.started))
			for i, want := range tt.want {
				if got := b.Next(); !near(got, want) {
					t.Errorf("pace %v, started %v ago: wait %d is %v, want about %v", tt.pace, tt.started, i, got, want)
				}
			}
		})
	}
}

// On one link, what is sent in all stays bounded: at a pace of 25 ms 480
// messages, give or take the random spread, and then fewer.
func TestBackoffIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		sent, last := 0, 0
		for b := NewBackoff(25*time.Millisecond, start); time.Since(start) < time.Minute; {
			sent++
			if time.Since(start) > 30*time.Second {
				last++
			}
			if err := Sleep(t.Context(), b.Next()); err != nil {
				t.Fatal(err)
			}
		}
		if sent > 600 || last > 15 {
			t.Errorf("%d messages in a minute, %d of them in the second half", sent, last)
		}
	})
}

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := Sleep(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
}
