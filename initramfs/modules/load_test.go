package modules

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A fakeKernel is a kernel and its sysfs: inserting a module may bring up devices.
type fakeKernel struct {
	t      *testing.T
	sys    string
	brings map[string]string // module → modalias of the device that it brings, on the virtio bus
	fails  map[string]error

	mu     sync.Mutex
	loaded []string // "NAME" or "NAME PARAMS", in the order of their ends
}

func (k *fakeKernel) device(bus, name, modalias string) {
	k.t.Helper()
	dir := filepath.Join(k.sys, "bus", bus, "devices", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		k.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "modalias"), []byte(modalias+"\n"), 0o644); err != nil {
		k.t.Fatal(err)
	}
}

func (k *fakeKernel) insert(file, params string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	name := Name(file)
	if err := k.fails[name]; err != nil {
		return err
	}
	k.loaded = append(k.loaded, strings.TrimSpace(name+" "+params))
	if m := k.brings[name]; m != "" {
		k.device("virtio", "virtio0", m)
	}
	return nil
}

func newLoader(t *testing.T, p Policy) (*Loader, *fakeKernel) {
	k := &fakeKernel{t: t, sys: t.TempDir(), brings: map[string]string{}, fails: map[string]error{}}
	l := NewLoader(index(t, tree), p, func(s string) { t.Log(s) })
	l.sys, l.insert = k.sys, k.insert
	return l, k
}

func TestLoadForFollowsTheBus(t *testing.T) {
	l, k := newLoader(t, Policy{Blacklist: map[string]bool{"a": true}, Options: map[string]string{"virtio_net": "napi_tx=0"}})
	k.device("pci", "0000:00:03.0", "pci:v00001AF4d00001000sv00001AF4sd00000001bc02sc00i00")
	k.device("pci", "0000:00:04.0", "pci:v00001AF4d00001001sv00001AF4sd00000002bc01sc00i00")
	k.brings["virtio_pci"] = "virtio:d00000001v00001AF4"
	if err := l.LoadFor(context.Background(), Network); err != nil {
		t.Fatal(err)
	}
	// The order between virtio and failover is free; that after needs is not.
	for _, pair := range [][2]string{{"virtio_ring", "virtio"}, {"virtio", "virtio_pci"}, {"virtio_pci", "virtio_net napi_tx=0"}, {"net_failover", "virtio_net napi_tx=0"}} {
		i, j := slices.Index(k.loaded, pair[0]), slices.Index(k.loaded, pair[1])
		if i < 0 || j < i {
			t.Errorf("loaded %q: %s is not before %s", k.loaded, pair[0], pair[1])
		}
	}
	// a is blacklisted as a driver, yet comes as virtio_net's soft dependency.
	if n := len(k.loaded); n != 7 {
		t.Errorf("loaded %d modules, want 7: %q", n, k.loaded)
	}
	if err := l.LoadFor(context.Background(), Network); err != nil || len(k.loaded) != 7 {
		t.Errorf("a second time: %v, loaded %q", err, k.loaded)
	}
}

func TestLoadForLeavesOtherClasses(t *testing.T) {
	l, k := newLoader(t, Policy{})
	k.device("pci", "0000:00:04.0", "pci:v00001AF4d00001001sv00001AF4sd00000002bc01sc00i00")
	k.device("pci", "0000:00:03.0", "pci:v00001AF4d00001000sv00001AF4sd00000001bc02sc00i00")
	if err := os.Mkdir(filepath.Join(k.sys, "bus/pci/devices/0000:00:03.0/driver"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := l.LoadFor(context.Background(), Network); err != nil || len(k.loaded) != 0 {
		t.Errorf("%v, loaded %q; want nothing", err, k.loaded)
	}
}

func TestLoadFailures(t *testing.T) {
	l, k := newLoader(t, Policy{})
	boom := errors.New("boom")
	k.fails["failover"] = boom
	err := l.Load(context.Background(), "virtio_net", "virtio_pci")
	if !errors.Is(err, boom) {
		t.Errorf("error %v, want %v", err, boom)
	}
	slices.Sort(k.loaded)
	if diff := cmp.Diff([]string{"a", "virtio", "virtio_pci", "virtio_ring"}, k.loaded); diff != "" {
		t.Errorf("loaded (-want +got):\n%s", diff)
	}
}

func TestLoadEndsWithContext(t *testing.T) {
	l, _ := newLoader(t, Policy{})
	release := make(chan struct{})
	defer close(release)
	l.insert = func(string, string) error { <-release; return nil }
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := l.Load(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want %v", err, context.DeadlineExceeded)
	}
}

func TestEndLeavesOutWhatHasNotBegun(t *testing.T) {
	l, k := newLoader(t, Policy{})
	begun, goOn := make(chan struct{}), make(chan struct{})
	insert := l.insert
	var once sync.Once
	l.insert = func(file, params string) error {
		once.Do(func() { close(begun) })
		<-goOn
		return insert(file, params)
	}
	done := make(chan error)
	go func() { done <- l.Load(context.Background(), "net_failover") }()
	<-begun
	l.End()
	close(goOn)
	if err := <-done; !errors.Is(err, ErrEnded) {
		t.Errorf("%v, want %v", err, ErrEnded)
	}
	if !slices.Equal(k.loaded, []string{"failover"}) {
		t.Errorf("loaded %q, want failover alone", k.loaded)
	}
}

func TestLoadSkipsLive(t *testing.T) {
	l, k := newLoader(t, Policy{})
	dir := filepath.Join(k.sys, "module/virtio_ring")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "initstate"), []byte("live\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := l.Load(context.Background(), "virtio"); err != nil || len(k.loaded) != 1 || k.loaded[0] != "virtio" {
		t.Errorf("%v, loaded %q; want virtio alone", err, k.loaded)
	}
}

func TestPolicy(t *testing.T) {
	root := writeTree(t, map[string]string{
		"etc/modprobe.d/a.conf":     "blacklist foo-bar\noptions virtio-net napi_tx=1 \\\n csum=0\n# options x y\n",
		"lib/modprobe.d/a.conf":     "blacklist masked\n",
		"lib/modprobe.d/b.conf":     "install floppy /bin/false\nalias x y\n",
		"lib/modprobe.d/readme.txt": "blacklist readme\n",
	})
	got := ReadPolicy(root, `ro modprobe.blacklist=nouveau,a-b virtio_net.gso="1 2" quiet console=ttyS0 .x x.`)
	want := Policy{
		Blacklist: map[string]bool{"foo_bar": true, "floppy": true, "nouveau": true, "a_b": true},
		Options:   map[string]string{"virtio_net": `napi_tx=1 csum=0 gso="1 2"`},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("policy (-want +got):\n%s", diff)
	}
}

func TestBelongs(t *testing.T) {
	for _, tt := range []struct {
		modalias         string
		network, storage bool
	}{
		{"pci:v00001D0Fd0000EC20sv00001D0Fsd0000EC20bc02sc00i00", true, false},
		{"pci:v00001D0Fd00008061sv00001D0Fsd00008061bc01sc08i02", false, true},
		{"virtio:d00000001v00001AF4", true, false},
		{"virtio:d00000008v00001AF4", false, true},
		{"virtio:d00000005v00001AF4", false, false},
		{"vmbus:f8615163df3e46c5913ff2d2f965ed0e", true, false},
		{"xen:vif", true, false},
		{"acpi:LNRO0005:", true, true},
		{"acpi:PNP0501:", false, false},
		{"", false, false},
	} {
		if n, s := Network.belongs(tt.modalias), Storage.belongs(tt.modalias); n != tt.network || s != tt.storage {
			t.Errorf("%q: network %v, storage %v", tt.modalias, n, s)
		}
	}
}

func TestAnnounces(t *testing.T) {
	event := "add@/devices/pci0000:00/0000:00:03.0/virtio0\x00ACTION=add\x00SUBSYSTEM=virtio\x00MODALIAS=virtio:d00000001v00001AF4\x00"
	if !Network.announces([]byte(event)) {
		t.Error("a NIC's event is not seen")
	}
	for _, other := range []string{strings.Replace(event, "add@", "remove@", 1), strings.Replace(event, "d00000001", "d00000002", 1), "add@/devices/x", ""} {
		if Network.announces([]byte(other)) {
			t.Errorf("%q is taken for a NIC's event", other)
		}
	}
}
