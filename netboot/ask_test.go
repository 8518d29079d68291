package netboot

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"boothook/netboot/fetch"
	"boothook/netboot/instance"
	"boothook/netboot/nic"
	"boothook/netboot/platform"
	"boothook/netboot/simulate"
	"boothook/netboot/source"
)

// serve gives Datasources whose every address leads to one service.
func serve(t *testing.T, h http.Handler) (d *Datasources, lowPorts *atomic.Int32) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go simulate.Server{Handler: h}.Serve(t.Context(), ln)
	lowPorts = new(atomic.Int32)
	return &Datasources{Version: "test", Dial: func(_ *nic.Lease, lowPort bool) DialFunc {
		if lowPort {
			lowPorts.Add(1)
		}
		return func(ctx context.Context, network, _ string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, network, ln.Addr().String())
		}
	}}, lowPorts
}

// over gives the way to the service over a lease.
func over(t *testing.T, d *Datasources) Over {
	lease := &nic.Lease{Name: "eth0", Prefix: netip.MustParsePrefix("192.0.2.7/24")}
	client := d.Connect(lease)
	t.Cleanup(client.Close)
	return Over{lease, client}
}

func TestAskOverTheNetwork(t *testing.T) {
	d, lowPorts := serve(t, simulate.EC2{Machine: simulate.Machine{InstanceID: "i-1", UserData: []byte("#!/bin/sh\n")}})
	by := over(t, d)
	inst, err := d.Ask(t.Context(), by, ec2, nil)
	if err != nil || inst.ID != "i-1" || string(inst.UserData) != "#!/bin/sh\n" || inst.HardwareID != ec2.HardwareID {
		t.Errorf("instance %+v, error %v", inst, err)
	}
	if n := lowPorts.Load(); n != 0 {
		t.Errorf("%d clients with low ports", n)
	}
	if err := d.Tell(t.Context(), by, ec2, instance.Outcome{}); err != nil {
		t.Errorf("tell: %v", err)
	}
	docs, err := d.More(t.Context(), by, ec2, []string{"meta-data/instance-id", "meta-data/nothing"})
	if err != nil || string(docs["meta-data/instance-id"]) != "i-1" || docs["meta-data/nothing"] != nil {
		t.Errorf("more: %q, %v", docs, err)
	}
	if _, err := d.More(t.Context(), by, platform.Match{Source: "azure"}, []string{"x"}); !errors.Is(err, source.ErrNoMore) {
		t.Errorf("a source that has no more: %v", err)
	}
}

// A service that answers only low ports is asked from one.
func TestAskFromALowPort(t *testing.T) {
	d, lowPorts := serve(t, simulate.Scaleway{Machine: simulate.Machine{InstanceID: "uuid-1"}, AnyPort: true})
	inst, err := d.Ask(t.Context(), over(t, d), platform.Match{Source: "scaleway"}, nil)
	if err != nil || inst.ID != "uuid-1" || lowPorts.Load() != 1 {
		t.Errorf("instance %+v, error %v, %d clients with low ports", inst, err, lowPorts.Load())
	}
}

// Without network a source is asked for what the machine holds, and nobody for
// other user-data.
func TestAskWithoutNetwork(t *testing.T) {
	d := &Datasources{UserDataURL: "http://192.0.2.1/"}
	inst, err := d.Ask(t.Context(), Over{}, platform.Match{Source: "nocloud"}, []source.Volume{cidata(map[string]string{"meta-data": "instance-id: iid-1\n"})})
	if err != nil || inst.ID != "iid-1" {
		t.Errorf("instance %+v, error %v", inst, err)
	}
	if err := d.Tell(t.Context(), Over{}, platform.Match{Source: "nocloud"}, instance.Outcome{}); err != nil {
		t.Errorf("tell: %v", err)
	}
}

// boothook.url= replaces the user-data, and nothing else; what it names and
// cannot be had is no instance without user-data, but none.
func TestUserDataURL(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("/", simulate.EC2{Machine: simulate.Machine{InstanceID: "i-1", UserData: []byte("the cloud's")}})
	mux.HandleFunc("/other", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("another's")) })
	mux.HandleFunc("/gone", http.NotFound)
	d, _ := serve(t, mux)
	file := filepath.Join(t.TempDir(), "user-data")
	if err := os.WriteFile(file, []byte("the initrd's"), 0o600); err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{"": "the cloud's", "http://192.0.2.1/other": "another's", "file://" + file: "the initrd's"} {
		d.UserDataURL = url
		inst, err := d.Ask(t.Context(), over(t, d), ec2, nil)
		if err != nil || string(inst.UserData) != want || inst.ID != "i-1" {
			t.Errorf("%s: user-data %q of %q, %v", url, inst.UserData, inst.ID, err)
		}
	}
	for _, url := range []string{"http://192.0.2.1/gone", "file://" + file + "-gone", "gopher://x"} {
		d.UserDataURL = url
		if _, err := d.Ask(t.Context(), over(t, d), ec2, nil); err == nil || !strings.HasPrefix(err.Error(), "boothook.url=: ") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// Without a Dial of the caller's, the lease's own NIC is used: one that is not
// there cannot be connected through.
func TestDialThroughTheNIC(t *testing.T) {
	d := &Datasources{}
	lease := &nic.Lease{Index: 1 << 30, Name: "none", Prefix: netip.MustParsePrefix("192.0.2.7/24")}
	for _, lowPort := range []bool{false, true} {
		if conn, err := d.dial(lease, lowPort)(t.Context(), "tcp", "127.0.0.1:1"); err == nil {
			conn.Close()
			t.Error("connected through a NIC that is not there")
		}
	}
	if c := d.Connect(lease); c.Stats() != (fetch.Stats{}) {
		t.Error("a new client has asked already")
	}
}
