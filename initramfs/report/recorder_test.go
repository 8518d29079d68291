package report

import (
	"errors"
	"reflect"
	"sync"
	"testing"
	"time"
)

// Many write while the report is read and encoded; the race detector (make
// race) says whether the lock is everywhere.
func TestRecorderBesideItsReaders(t *testing.T) {
	r := NewRecorder(Report{Schema: Schema}, func() time.Duration { return time.Second })
	const writers = 8
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			r.Mark("a stage")
			r.Problem(Problem{Message: "a warning", Warning: true})
			r.Fail("root", errors.New("is gone"))
			r.Change(func(report *Report) { report.Network = append(report.Network, NIC{Name: "eth0"}) })
			s := r.Snapshot()
			if _, err := s.Encode(); err != nil {
				t.Error(err)
			}
			s.Network[0].Used = true
		})
	}
	all.Wait()
	got := r.Snapshot()
	if len(got.Timeline) != writers || len(got.Problems) != 2*writers || len(got.Network) != writers || got.Result != Failed {
		t.Errorf("%d marks, %d problems, %d NICs, result %s", len(got.Timeline), len(got.Problems), len(got.Network), got.Result)
	}
	for _, n := range got.Network {
		if n.Used {
			t.Error("a snapshot shares memory with the report")
		}
	}
	if at := got.Timeline[0].Seconds; at != 1 {
		t.Errorf("marked at %v s, want 1", at)
	}
}

// What is done to a snapshot, in any of its fields, does not reach the report.
func TestSnapshotSharesNothing(t *testing.T) {
	var full Report
	v := reflect.ValueOf(&full).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Slice:
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
		case reflect.Pointer:
			f.Set(reflect.New(f.Type().Elem()))
		case reflect.String, reflect.Int, reflect.Bool:
		default:
			t.Errorf("Snapshot may have to copy %s", v.Type().Field(i).Name)
		}
	}
	s := NewRecorder(full, nil).Snapshot()
	for i := range v.NumField() {
		was, is := v.Field(i), reflect.ValueOf(s).Field(i)
		if k := was.Kind(); (k == reflect.Slice || k == reflect.Pointer) && was.Pointer() == is.Pointer() {
			t.Errorf("%s is shared", v.Type().Field(i).Name)
		}
	}
}
