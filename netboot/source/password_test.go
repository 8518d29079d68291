package source

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"boothook/netboot/instance"
	"boothook/netboot/platform"
	"boothook/netboot/simulate"
)

// TestPassword fetches a password from the router's server of passwords, and says
// that it has been set only once it has been.
func TestPassword(t *testing.T) {
	for _, cloud := range []string{"cloudstack", "exoscale"} {
		t.Run(cloud, func(t *testing.T) {
			var (
				mu    sync.Mutex
				saved []string
			)
			m := machine()
			m.Password = "s3cret"
			passwords := simulate.CloudStack{Machine: m, Saved: func() {
				mu.Lock()
				defer mu.Unlock()
				saved = append(saved, "saved")
			}}
			s := start(t, passwords, simulate.Faults{})
			in, err := Fetch(within(t, 5*time.Second), platform.Match{Source: cloud}, s.env)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(in.VendorData), `"password":"s3cret"`) {
				t.Errorf("vendor-data %q", in.VendorData)
			}
			for _, out := range []instance.Outcome{{NewInstance: true}, {Applied: true}} {
				if err := Tell(within(t, 5*time.Second), cloud, s.env, out); err != nil || saved != nil {
					t.Errorf("%+v: told %v, %v", out, saved, err)
				}
			}
			if err := Tell(within(t, 5*time.Second), cloud, s.env, instance.Outcome{Applied: true, NewInstance: true}); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(saved, []string{"saved"}) {
				t.Errorf("told %v, want once", saved)
			}
		})
	}
}

// A cloud without such a server, or with one that has nothing to say, has no
// password.
func TestNoPassword(t *testing.T) {
	for _, answer := range []string{"", "saved_password", "bad_request\n"} {
		if got := passwordOf(answer); got != "" {
			t.Errorf("passwordOf(%q) = %q", answer, got)
		}
	}
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("DomU_Request") != "" {
			<-r.Context().Done()
			return
		}
		simulate.CloudStack{Machine: machine()}.ServeHTTP(w, r)
	}), simulate.Faults{})
	begin := time.Now()
	in, err := Fetch(within(t, 60*time.Second), platform.Match{Source: "exoscale"}, s.env)
	if err != nil || in.VendorData != nil {
		t.Errorf("got %q, %v", in.VendorData, err)
	}
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("a silent server of passwords held the documents up for %v", took)
	}
}
