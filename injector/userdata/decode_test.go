package userdata_test

import (
	"flag"
	"os"
	"testing"

	"boothook/injector/userdata/userdatatest"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what comes out into the cases")

func TestCases(t *testing.T) {
	cases, err := userdatatest.Load("testdata/cases")
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) < 120 {
		t.Fatalf("only %d cases found", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			got := userdatatest.Format(c.Decode())
			if *update {
				if err := os.WriteFile(c.File, c.Update(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(c.Want, got); diff != "" {
				t.Errorf("%s: want (-), got (+):\n%s", c.About, diff)
			}
		})
	}
}
