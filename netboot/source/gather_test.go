package source

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestRace gives each address an answer and a time it takes.
func TestRace(t *testing.T) {
	errNo := errors.New("no")
	type runner struct {
		after time.Duration
		err   error
	}
	const never = time.Hour
	tests := []struct {
		name    string
		runners []runner
		want    int // which wins; -1: none
		took    time.Duration
	}{
		{"the first alone", []runner{{0, nil}, {0, nil}}, 0, 0},
		{"the first although late", []runner{{200 * time.Millisecond, nil}, {time.Second, nil}}, 0, 200 * time.Millisecond},
		{"the second", []runner{{never, nil}, {10 * time.Millisecond, nil}}, 1, raceStagger + 10*time.Millisecond},
		{"the second at once when the first fails", []runner{{0, errNo}, {0, nil}}, 1, 0},
		{"a refusal is not the last word", []runner{{0, errNo}, {300 * time.Millisecond, nil}}, 1, 300 * time.Millisecond},
		{"both refuse", []runner{{0, errNo}, {0, errNo}}, -1, 0},
		{"one refuses, one is silent", []runner{{0, errNo}, {never, nil}}, -1, raceGrace},
		{"the third", []runner{{never, nil}, {never, nil}, {0, nil}}, 2, 2 * raceStagger},
		{"all silent", []runner{{never, nil}, {never, nil}}, -1, 10 * time.Second},
		{"only one", []runner{{time.Second, nil}}, 0, time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				bases := []string{"0", "1", "2"}[:len(tt.runners)]
				start := time.Now()
				got, err := race(ctx, bases, func(ctx context.Context, base string) (int, error) {
					r := tt.runners[base[0]-'0']
					select {
					case <-time.After(r.after):
						return int(base[0] - '0'), r.err
					case <-ctx.Done():
						return 0, ctx.Err()
					}
				})
				if tt.want < 0 && err == nil || tt.want >= 0 && (err != nil || got != tt.want) {
					t.Errorf("got %d, %v, want %d", got, err, tt.want)
				}
				if took := time.Since(start); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
			})
		})
	}
}
