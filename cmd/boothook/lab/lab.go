package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"boothook/cmd/boothook/vm"
	"boothook/initramfs/report"
	"boothook/netboot/simulate"
)

const (
	// settleTimeout bounds the wait, after the login prompt, for late jobs.
	settleTimeout = 5 * time.Minute
	// bannerGrace is how long sshd may be later than the login prompt.
	bannerGrace = time.Minute
	// metadataAddress is where an EC2 instance looks for its metadata.
	metadataAddress = vm.MetadataAddress + ":80"
	// maxReport bounds what is read of a report, in bytes.
	maxReport = 8 << 20
)

// errNotAsked is a check for which nobody could log in.
var errNotAsked = errors.New("no login")

// A lab is everything around one boot.
type lab struct {
	o       *Options
	log     io.Writer
	dir     string
	disk    string
	efiVars string // empty: a BIOS
	volume  string // empty: none
	root    vm.RootFS
	accel   vm.Accel
	network *vm.Network
	key     vm.Key
	stop    context.CancelFunc // of the services
	all     sync.WaitGroup     // the services
	mu      sync.Mutex         // guards requests
	// requests is what the metadata service was asked.
	requests []simulate.Entry
}

// Boot boots once, in a directory for the files of the run, and tells the
// progress on log.
func Boot(ctx context.Context, o *Options, dir string, log io.Writer) (*Result, error) {
	l, err := newLab(ctx, o, dir, log)
	if err != nil {
		return nil, err
	}
	defer l.close()
	return l.boot(ctx)
}

// newLab sets the stage: disk, network, key and services.
func newLab(ctx context.Context, o *Options, dir string, log io.Writer) (_ *lab, err error) {
	l := &lab{o: o, log: log, dir: dir, disk: o.Disk}
	if l.disk == "" {
		l.disk = filepath.Join(dir, "disk.img")
	}
	if err := l.makeDisk(); err != nil {
		return nil, err
	}
	if l.accel = o.Accel; l.accel == Auto {
		if l.accel, err = vm.ChooseAccel(ctx, o.Cache, o.Kernel); err != nil {
			return nil, err
		}
	}
	if l.key, err = vm.NewKey(ctx, dir, "boothook-boot"); err != nil {
		return nil, err
	}
	hosts := map[string]string{}
	for _, name := range o.Names {
		hosts[name] = vm.ServerAddress
	}
	if l.network, err = vm.NewNetwork(ctx, dir, hosts); err != nil {
		return nil, err
	}
	if err := l.serve(ctx); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// makeDisk gives the guest a disk to write to, unless it has one already.
func (l *lab) makeDisk() error {
	_, err := os.Stat(l.disk)
	if errors.Is(err, fs.ErrNotExist) || err == nil && l.o.Disk == "" {
		err = vm.CopyDisk(l.o.Image, l.disk)
	}
	if err != nil {
		return err
	}
	if l.root, err = vm.FindRoot(l.disk); err != nil || !l.o.EFI && l.o.Arch != vm.ARM64 {
		return err
	}
	l.efiVars = l.disk + ".efivars"
	return vm.MakeEFIVars(l.efiVars, l.o.Arch)
}

// serve starts the metadata service, or makes the volume, and starts the file
// server.
func (l *lab) serve(ctx context.Context) error {
	ctx, l.stop = context.WithCancel(ctx)
	machine := l.o.Machine
	machine.PublicKeys = append(machine.PublicKeys, l.key.Public)
	if v := l.o.Volume; v != nil {
		l.volume = filepath.Join(l.dir, "volume.img")
		if err := vm.MakeVolume(ctx, l.volume, v.Label, v.Files(machine)); err != nil {
			return err
		}
	} else if !l.o.NoMetadata {
		metadata := simulate.Server{Handler: simulate.EC2{Machine: machine}, Log: func(r simulate.Entry) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.requests = append(l.requests, r)
		}}
		if err := l.run(ctx, metadata, metadataAddress); err != nil {
			return err
		}
	}
	if l.o.WWW == "" {
		return nil
	}
	files := simulate.Server{Handler: http.FileServer(http.Dir(l.o.WWW))}
	return l.run(ctx, files, net.JoinHostPort(vm.ServerAddress, "80"))
}

// run runs one service until ctx ends.
func (l *lab) run(ctx context.Context, s simulate.Server, address string) error {
	listener, err := l.network.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("serve at %s: %w", address, err)
	}
	l.all.Go(func() { l.complain("service at "+address, s.Serve(ctx, listener)) })
	return nil
}

func (l *lab) complain(who string, err error) {
	if err != nil {
		fmt.Fprintf(l.log, "boothook: %s: %v\n", who, err)
	}
}

// close ends what the lab started.
func (l *lab) close() {
	if l.stop != nil {
		l.stop()
	}
	l.all.Wait()
	l.complain("network", l.network.Close())
}

// words are the kernel's: the root, a console to read, and what was asked.
func (l *lab) words() []string {
	root := l.o.Root
	if root == "" {
		root = l.root.Device()
	}
	words := []string{"root=" + root, "console=" + l.o.Arch.Console()}
	if l.accel == vm.TCG {
		words = append(words, "mitigations=off") // twice as fast when emulated
	}
	return append(words, l.o.Words...)
}

// boot boots once and collects what happened.
func (l *lab) boot(ctx context.Context) (*Result, error) {
	ctx, cut := context.WithCancel(ctx)
	defer cut()
	machine := vm.Machine{
		Network: l.network, Dir: l.dir, Disk: l.disk, Kernel: l.o.Kernel, Initrd: l.o.Initrd,
		EFIVars: l.efiVars, Volume: l.volume, MicroVM: l.o.MicroVM, Words: l.words(), Accel: l.accel, Arch: l.o.Arch, MemoryMB: l.o.MemoryMB, Probe: l.o.Ports,
	}
	if !l.o.NoHardwareID && !l.o.MicroVM && l.volume == "" {
		machine.DMI = vm.EC2(l.o.Machine.InstanceID)
	}
	guest, err := vm.Start(ctx, machine)
	if err != nil {
		return nil, err
	}
	defer func() { cut(); <-guest.Done() }()
	fmt.Fprintf(l.log, "boothook: boot with %s, in a network namespace that has %s:\n%s\n", l.accel, vm.TapName, guest.Command)
	r := &Result{guest: guest, ports: l.o.Ports}
	if len(l.o.Script) > 0 {
		r.checkErr = errNotAsked
	}
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		r.stages = follow(guest.Console, l.log)
	}()
	if err := l.settle(ctx, guest, r); err != nil {
		return nil, errors.Join(err, l.lastWords(guest))
	}
	progress(l.log, guest.Console.Elapsed(), "power off")
	if err := guest.PowerOff(ctx); err != nil {
		return nil, err
	}
	<-followed
	l.mu.Lock()
	r.requests = l.requests
	l.mu.Unlock()
	return r, l.readReport(ctx, r)
}

// settle waits until the guest is up and its late jobs are done, and asks it
// what only the running system knows.
func (l *lab) settle(ctx context.Context, guest *vm.Guest, r *Result) error {
	if _, err := guest.Console.Wait(ctx, " login:"); err != nil {
		return err
	}
	grace, cancel := context.WithTimeout(ctx, bannerGrace)
	defer cancel()
	banner, err := guest.Prober.Wait(grace, l.o.Ports...)
	if err != nil {
		return ctx.Err() // no sshd on a watched port: said in the summary
	}
	progress(l.log, banner.At, fmt.Sprintf("port %d speaks: %s", banner.Port, banner.Text))
	ctx, cancel = context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	login := vm.Login{Network: l.network, Key: l.key, User: l.o.User, Port: banner.Port}
	if l.o.Key != "" {
		login.Key = vm.Key{Path: l.o.Key}
	}
	l.ask(ctx, login, r)
	return nil
}

// ask logs in and collects what only the running system knows. A guest that
// does not let us in has booted all the same.
func (l *lab) ask(ctx context.Context, login vm.Login, r *Result) {
	var text []byte
	text, r.loginErr = login.Run(ctx, "systemctl is-system-running --wait >/dev/null 2>&1; sudo -n cat "+report.RunPath+" 2>/dev/null || true")
	if r.loginErr != nil {
		return
	}
	if len(text) > 0 {
		if r.report, r.loginErr = report.Decode(text); r.loginErr != nil {
			return
		}
	}
	r.asked = true
	if r.report != nil {
		text, r.loginErr = login.Run(ctx, "sudo -n cat "+report.LatePath+" 2>/dev/null || true")
		r.report.MergeLate(text)
	}
	if r.loginErr == nil {
		r.sshd, r.loginErr = login.Run(ctx, "sudo -n journalctl -b -u ssh -o cat --no-pager | grep 'Server listening' || true")
	}
	if r.loginErr == nil && len(l.o.Script) > 0 {
		r.checked, r.checkErr = login.Run(ctx, string(l.o.Script))
	}
}

// readReport reads what the agent left on the disk, for want of a login.
func (l *lab) readReport(ctx context.Context, r *Result) error {
	if r.asked {
		return nil
	}
	text, err := l.root.ReadFile(ctx, report.KeptPath, maxReport)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	r.report, err = report.Decode(text)
	return err
}

// lastWords shows the end of the serial log of a boot that went wrong.
func (l *lab) lastWords(guest *vm.Guest) error {
	const last = 20
	lines := guest.Console.Lines()
	for _, line := range lines[max(0, len(lines)-last):] {
		if _, err := fmt.Fprintf(l.log, "%9.3f %s\n", line.At.Seconds(), line.Text); err != nil {
			return err
		}
	}
	return nil
}

// stages are the moments that a serial console tells of, in boot order.
var stages = []struct{ text, name string }{
	{"Linux version", "kernel"},
	{"Run /init as init process", "initrd"},
	{"systemd[1]: systemd ", "pivot: systemd is PID 1"},
	{"Reached target sysinit.target", "sysinit.target"},
	{"Reached target network.target", "network.target"},
	{"Started ssh.service", "ssh.service"},
	{"Reached target multi-user.target", "multi-user.target"},
	{" login:", "login prompt"},
}

// follow shows the progress, until the guest ends: every stage once, and
// every line of boothook's own.
func follow(console *vm.Console, w io.Writer) []vm.Line {
	var reached []vm.Line
	shown := make([]bool, len(stages))
	console.Follow(func(line vm.Line) {
		text := ""
		if _, own, ok := strings.Cut(line.Text, "boothook: "); ok {
			text = "boothook: " + own
		}
		for i, s := range stages {
			if !shown[i] && strings.Contains(line.Text, s.text) {
				text, shown[i] = s.name, true
			}
		}
		if text != "" {
			reached = append(reached, vm.Line{At: line.At, Text: text})
			progress(w, line.At, text)
		}
	})
	return reached
}

func progress(w io.Writer, at time.Duration, text string) {
	fmt.Fprintf(w, "%8.1f s  %s\n", at.Seconds(), text)
}
