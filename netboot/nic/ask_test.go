package nic

import (
	"testing"
	"time"
)

func TestRhythm(t *testing.T) {
	near := func(got, want time.Duration) bool { return got >= want/2 && got <= want*3/2 }
	ms := time.Millisecond
	for _, tt := range []struct {
		pace    time.Duration
		started time.Duration // ago
		want    []time.Duration
	}{
		{DefaultPace, 0, []time.Duration{DefaultPace / 8, 125 * ms, 250 * ms, 500 * ms, 500 * ms}},
		{CloudPace, 0, []time.Duration{CloudPace, CloudPace, CloudPace}},
		{80 * ms, 0, []time.Duration{40 * ms, 80 * ms, 80 * ms}},
		{10 * ms, 0, []time.Duration{10 * ms, 10 * ms}},
		{DefaultPace, time.Minute, []time.Duration{DefaultPace / 8, 125 * ms, 250 * ms, 500 * ms, time.Second, 2 * time.Second, 4 * time.Second, maxWait, maxWait}},
	} {
		r := newRhythm(tt.pace, time.Now().Add(-tt.started))
		for i, want := range tt.want {
			if got := r.next(); !near(got, want) {
				t.Errorf("pace %v, started %v ago: wait %d is %v, want about %v", tt.pace, tt.started, i, got, want)
			}
		}
	}
}
