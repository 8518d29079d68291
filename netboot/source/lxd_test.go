package source

import (
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"boothook/netboot/instance"
	"boothook/netboot/platform"
	"boothook/netboot/simulate"
)

func TestLXD(t *testing.T) {
	dev, err := os.MkdirTemp("", "lxd") // short: a socket's address is
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dev) })
	if err := os.Mkdir(filepath.Join(dev, "lxd"), 0o755); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("unix", filepath.Join(dev, lxdSocket))
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	service := simulate.LXD{Machine: machine(), State: func(s string) { told = append(told, s) }}
	srv := &http.Server{Handler: service}
	go srv.Serve(ln)
	t.Cleanup(func() { srv.Close() })
	in, err := Fetch(t.Context(), platform.Match{Source: "lxd"}, Env{Dev: dev})
	if err != nil {
		t.Fatal(err)
	}
	m := machine()
	if in.ID != m.InstanceID || in.Hostname != m.Hostname || string(in.UserData) != string(m.UserData) {
		t.Errorf("got %+v", in)
	}
	for _, out := range []instance.Outcome{{}, {Applied: true}} {
		if err := Tell(t.Context(), "lxd", Env{Dev: dev}, out); err != nil {
			t.Error(err)
		}
	}
	if len(told) != 1 || told[0] != "Ready" {
		t.Errorf("told %v, want Ready, once", told)
	}
	if _, err := fetchLXD(t.Context(), &Env{Dev: filepath.Join(dev, "nowhere")}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a socket: %v", err)
	}
}
