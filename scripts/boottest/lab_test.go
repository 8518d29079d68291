//go:build boot

package boottest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"boothook/cmd/boothook/vm"
	"boothook/netboot/simulate"
	"boothook/scripts/programs"
)

const (
	// bootTimeout bounds one boot, all questions to the guest included, on a
	// machine that has other things to do.
	bootTimeout = 8 * time.Minute
	// account is the image's default account.
	account = "debian"
	uid     = 1000
)

// built are the programs of this run.
var built programs.Set

func TestMain(m *testing.M) { os.Exit(built.Main(m)) }

// An image is what scripts/image makes, with the initrd also baked.
type image struct {
	disk, kernel, initrd, baked string
}

// makeImage makes (or finds) the image of a variant and bakes today's agent
// into a copy of its initrd.
func makeImage(t *testing.T, variant string) image {
	t.Helper()
	dir := strings.TrimSpace(run(t, "../image", variant))
	out := t.TempDir()
	i := image{filepath.Join(dir, "root.img"), filepath.Join(dir, "vmlinuz"), filepath.Join(dir, "initrd.img"), filepath.Join(out, "baked.img")}
	// Any write would show in the time of change, which nobody can set.
	times := []string{"--format=%n %i %s %z", i.disk, i.initrd}
	before := run(t, "stat", times...)
	run(t, built.Path(t, "boothook"), "bake", "--initrd", i.initrd, "--out", i.baked)
	t.Cleanup(func() {
		if after := run(t, "stat", times...); after != before {
			t.Errorf("the image has changed: %s, was %s", after, before)
		}
	})
	return i
}

// run runs a command and returns its standard output.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return string(out)
}

// A world is a network with its services, and one guest's disk.
type world struct {
	image   image
	dir     string
	network *vm.Network
	disk    string
	root    vm.RootFS
	// login is for user-data, seed for the disk, cloud for the metadata.
	login, seed, cloud vm.Key
	// name is served by this world's DNS only, and its nonce there.
	name, nonce string

	mu       sync.Mutex // guards below
	handler  http.Handler
	requests []simulate.Entry
}

// newWorld makes a fresh disk and network with a web server that has a nonce.
func newWorld(t *testing.T, i image) *world {
	t.Helper()
	w := &world{image: i, dir: t.TempDir(), name: random(4) + ".lab", nonce: random(8)}
	w.disk = filepath.Join(w.dir, "disk.img")
	check(t, vm.CopyDisk(i.disk, w.disk))
	var err error
	w.root, err = vm.FindRoot(w.disk)
	check(t, err)
	for name, key := range map[string]*vm.Key{"login": &w.login, "seed": &w.seed, "cloud": &w.cloud} {
		*key, err = vm.NewKey(t.Context(), w.dir, name)
		check(t, err)
	}
	w.network, err = vm.NewNetwork(context.Background(), w.dir, map[string]string{w.name: vm.ServerAddress})
	check(t, err)
	t.Cleanup(func() { check(t, w.network.Close()) })
	nonce := http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/nonce" || r.Host != w.name {
			http.NotFound(out, r)
			return
		}
		fmt.Fprintln(out, w.nonce)
	})
	w.serve(t, simulate.Server{Handler: nonce}, net.JoinHostPort(vm.ServerAddress, "80"))
	return w
}

// random gives n random bytes in hex.
func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// serve runs a service until the test ends.
func (w *world) serve(t *testing.T, s simulate.Server, address string) {
	t.Helper()
	listener, err := w.network.Listen("tcp", address)
	check(t, err)
	ctx, stop := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := s.Serve(ctx, listener); err != nil {
			t.Errorf("service at %s: %v", address, err)
		}
	})
	t.Cleanup(func() { stop(); done.Wait() })
}

// serveEC2 starts the metadata service; setMachine says what it serves.
func (w *world) serveEC2(t *testing.T) {
	t.Helper()
	cloud, err := simulate.Find("ec2")
	check(t, err)
	current := http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		handler := w.handler
		w.mu.Unlock()
		handler.ServeHTTP(out, r)
	})
	w.serve(t, simulate.Server{Handler: current, Log: func(e simulate.Entry) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.requests = append(w.requests, e)
	}}, cloud.Address)
}

// setMachine changes what the metadata service tells, and forgets its log.
func (w *world) setMachine(m simulate.Machine) {
	m.PublicKeys = []string{w.cloud.Public}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.handler = simulate.EC2{Machine: m}
	w.requests = nil
}

// asked is the metadata service's log since setMachine.
func (w *world) asked() []simulate.Entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]simulate.Entry(nil), w.requests...)
}

// letIn puts a key onto the disk, for boots in which user-data bring none.
func (w *world) letIn(t *testing.T) {
	t.Helper()
	check(t, w.root.WriteFile(t.Context(), "/home/"+account+"/.ssh/authorized_keys", []byte(w.seed.Public+"\n"), 0o600, uid, uid))
}

// A machine is one boot as a test asks for it.
type machine struct {
	initrd string
	dmi    vm.DMI
	words  string
	// volume and nics are as vm.Machine has them.
	volume string
	nics   []string
	// efiVars is the file of the EFI firmware's variables; "" for a BIOS.
	efiVars string
	// key lets the test in, at port. knownHosts, if set, names the host key
	// that the guest must have.
	key        vm.Key
	port       int
	knownHosts string
	// reach are connections to the guest that must come about, from an address
	// of the network to one of the guest's.
	reach []route
	// ask are shell scripts for the booted guest, by name.
	ask map[string]string
}

// A boot is what came of it: everything seen from outside, and the answers.
type boot struct {
	*vm.Guest
	took   time.Duration // until it had answered
	answer map[string]string
}

// accel is TCG or, where that works, KVM.
func accel(t *testing.T, kernel string) vm.Accel {
	t.Helper()
	a, err := vm.ChooseAccel(t.Context(), "../../build", kernel)
	check(t, err)
	return a
}

// start switches the world's disk on. The context's end is a power cut.
func (w *world) start(ctx context.Context, t *testing.T, m machine) *vm.Guest {
	t.Helper()
	words := append([]string{"root=" + w.root.Device(), "console=ttyS0"}, strings.Fields(m.words)...)
	a := accel(t, w.image.kernel)
	if a == vm.TCG {
		words = append(words, "mitigations=off")
	}
	guest, err := vm.Start(ctx, vm.Machine{
		Network: w.network, Dir: t.TempDir(), Disk: w.disk, Kernel: w.image.kernel, Initrd: m.initrd,
		Volume: m.volume, NICs: m.nics, EFIVars: m.efiVars, Words: words, DMI: m.dmi, Accel: a, MemoryMB: 768, Probe: []int{22, m.port},
	})
	check(t, err)
	t.Logf("to reproduce: %s", guest.Command)
	return guest
}

// showEnd logs the console's last lines, for a test that is about to fail.
func showEnd(t *testing.T, guest *vm.Guest) {
	t.Helper()
	for _, l := range tail(guest.Console.Lines(), 60) {
		t.Logf("%9.3f %s", l.At.Seconds(), l.Text)
	}
}

// boot boots the world's disk once, asks the running system, and switches it
// off cleanly.
func (w *world) boot(t *testing.T, m machine) *boot {
	t.Helper()
	ctx, cut := context.WithTimeout(t.Context(), bootTimeout)
	defer cut()
	guest := w.start(ctx, t, m)
	defer func() { cut(); <-guest.Done() }()
	b := &boot{Guest: guest, answer: map[string]string{}}
	fail := func(err error) {
		if err == nil {
			return
		}
		showEnd(t, guest)
		t.Fatal(err)
	}
	_, err := guest.Prober.Wait(ctx, m.port)
	fail(err)
	for _, r := range m.reach {
		fail(w.reach(ctx, r, m.port))
	}
	login := vm.Login{Network: w.network, Key: m.key, User: account, Port: m.port, KnownHosts: m.knownHosts}
	b.answer, err = interview(ctx, login, m.ask)
	fail(err)
	b.took = guest.Console.Elapsed()
	fail(guest.PowerOff(ctx))
	t.Logf("answered after %.1f s, %d frames from the guest", b.took.Seconds(), len(guest.Capture.FromGuest()))
	return b
}

func tail[T any](all []T, n int) []T { return all[max(0, len(all)-n):] }

// interview waits until the system is up and runs all scripts as root over
// one connection, because connections are dear where all is emulated.
func interview(ctx context.Context, login vm.Login, ask map[string]string) (map[string]string, error) {
	mark := "@@" + random(8) + " "
	var script strings.Builder
	script.WriteString("systemctl is-system-running --wait >/dev/null 2>&1\nsudo -n sh -s <<'" + mark + "'\n")
	for name, text := range ask {
		fmt.Fprintf(&script, "echo '%s%s'\n( %s\n) 2>&1\n", mark, name, text)
	}
	// A question may fail, and the last one is drawn: ssh fails only if the
	// interview does.
	script.WriteString("exit 0\n" + mark + "\n")
	out, err := login.Run(ctx, script.String())
	if err != nil {
		return nil, err
	}
	answers := map[string]string{}
	for _, section := range strings.Split(string(out), mark)[1:] {
		name, text, _ := strings.Cut(section, "\n")
		answers[name] = text
	}
	return answers, nil
}
