package userdata

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFlatReadsBack(t *testing.T) {
	index := 3
	in := []Part{
		{Name: "part-001", Type: TypeScript, Body: []byte("#!/bin/sh\necho a\n")},
		{Name: `a "b".sh`, Type: TypeScript, Body: []byte("#!/bin/sh\n\x00\xff binary")},
		{Name: "part-003", Type: TypeCloudConfig, Body: []byte("#cloud-config\na: 1"), LaunchIndex: &index, MergeType: "list(append)"},
		{Name: "crlf", Type: TypeBoothook, Body: []byte("#cloud-boothook\r\n#!/bin/sh\r\n")},
	}
	d := Decode(Flat(in), "user-data", nil, DefaultLimits())
	if len(d.Problems) > 0 || len(d.Parts) != len(in) {
		t.Fatalf("got %d parts and problems %v, want %d parts", len(d.Parts), d.Problems, len(in))
	}
	for i, want := range in {
		got := d.Parts[i]
		got = Part{Name: got.Name, Type: got.Type, Body: got.Body, LaunchIndex: got.LaunchIndex, MergeType: got.MergeType}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("part %d (-want +got):\n%s", i, diff)
		}
	}
}

func TestFlatOfNothing(t *testing.T) {
	if d := Decode(Flat(nil), "user-data", nil, DefaultLimits()); len(d.Parts) != 0 {
		t.Errorf("no parts came back as %d", len(d.Parts))
	}
}
