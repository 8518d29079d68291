package vm

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The laboratory's one network. The guest always gets the same address, so
// that it can be probed from power-on.
const (
	GuestAddress    = "10.77.0.10"
	ServerAddress   = "10.77.0.1"
	MetadataAddress = "169.254.169.254"
	GuestMAC        = "0e:77:00:00:00:10"

	TapName   = "tap0"
	prefixLen = 24
)

// dnsmasqWait bounds how long dnsmasq may take to say that it serves.
const dnsmasqWait = 10 * time.Second

// A Network is a network namespace with a tap for one guest at a time, and
// DHCP and DNS by a real dnsmasq. 169.254.169.254 is an address of it.
type Network struct {
	ns      *namespace
	dir     string
	ifindex int
	dnsmasq *exec.Cmd
	exited  chan struct{}
}

// NewNetwork makes the network. Files go to dir. hosts are the names that its
// DNS serves, and nothing else resolves there.
func NewNetwork(ctx context.Context, dir string, hosts map[string]string) (*Network, error) {
	ns, err := newNamespace()
	if err != nil {
		return nil, err
	}
	n := &Network{ns: ns, dir: dir}
	if err := ns.do(n.addLinks); err != nil {
		return nil, errors.Join(err, ns.close())
	}
	if err := n.serve(ctx, hosts); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// addLinks makes the tap and its addresses, in the namespace.
func (n *Network) addLinks() error {
	// Our own side must stay silent: no router solicitations, no multicast
	// reports between the guest's frames.
	if err := os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("disable ipv6: %w", err)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = TapName
	tap := &netlink.Tuntap{LinkAttrs: attrs, Mode: netlink.TUNTAP_MODE_TAP}
	if err := netlink.LinkAdd(tap); err != nil {
		return fmt.Errorf("add %s: %w", TapName, err)
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	link, err := netlink.LinkByName(TapName)
	if err != nil {
		return fmt.Errorf("find %s: %w", TapName, err)
	}
	n.ifindex = link.Attrs().Index
	for _, a := range []struct {
		link netlink.Link
		addr string
		bits int
	}{{lo, MetadataAddress, 32}, {link, ServerAddress, prefixLen}} {
		ip := &netlink.Addr{IPNet: &net.IPNet{IP: net.ParseIP(a.addr).To4(), Mask: net.CIDRMask(a.bits, 32)}}
		if err := netlink.AddrAdd(a.link, ip); err != nil {
			return fmt.Errorf("add address %s: %w", a.addr, err)
		}
		if err := netlink.LinkSetUp(a.link); err != nil {
			return fmt.Errorf("raise %s: %w", a.link.Attrs().Name, err)
		}
	}
	mac, err := net.ParseMAC(GuestMAC)
	if err != nil {
		return fmt.Errorf("parse %s: %w", GuestMAC, err)
	}
	// Known beforehand, so that a probe's first packet reaches the guest at
	// once instead of waiting for ARP's retries.
	neigh := &netlink.Neigh{LinkIndex: n.ifindex, IP: net.ParseIP(GuestAddress), HardwareAddr: mac, State: netlink.NUD_PERMANENT}
	if err := netlink.NeighSet(neigh); err != nil {
		return fmt.Errorf("set neighbour %s: %w", GuestAddress, err)
	}
	return nil
}

// serve starts dnsmasq and waits until it answers.
func (n *Network) serve(ctx context.Context, hosts map[string]string) error {
	log, err := os.Create(filepath.Join(n.dir, "dnsmasq.log"))
	if err != nil {
		return err
	}
	args := []string{
		"--keep-in-foreground", "--conf-file=/dev/null", "--log-facility=-", "--user=root", "--pid-file=",
		"--no-resolv", "--no-hosts", "--interface=" + TapName, "--except-interface=lo", "--bind-interfaces",
		"--dhcp-authoritative", "--log-dhcp", "--log-queries",
		"--dhcp-leasefile=" + filepath.Join(n.dir, "leases"),
		"--dhcp-range=" + GuestAddress + ",10.77.0.99,1h",
		"--dhcp-host=" + GuestMAC + "," + GuestAddress,
	}
	for name, address := range hosts {
		args = append(args, "--host-record="+name+","+address)
	}
	cmd := exec.CommandContext(ctx, "dnsmasq", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return errors.Join(err, log.Close())
	}
	if err := n.ns.do(cmd.Start); err != nil {
		return errors.Join(fmt.Errorf("start dnsmasq: %w", err), log.Close())
	}
	n.dnsmasq, n.exited = cmd, make(chan struct{})
	started := make(chan struct{})
	go func() {
		defer close(n.exited)
		waitStarted(stderr, log, started)
		_ = cmd.Wait() // it ends when it is told to; serve sees an early end
		_ = log.Close()
	}()
	select {
	case <-started:
		return nil
	case <-n.exited:
		return fmt.Errorf("dnsmasq ended at once; see %s", log.Name())
	case <-time.After(dnsmasqWait):
		return fmt.Errorf("dnsmasq does not serve after %v; see %s", dnsmasqWait, log.Name())
	}
}

// waitStarted copies dnsmasq's log with times and closes started when it
// serves DHCP, the last thing it sets up.
func waitStarted(from io.Reader, to io.Writer, started chan<- struct{}) {
	lines := bufio.NewScanner(from)
	seen := false
	for lines.Scan() {
		fmt.Fprintf(to, "%s %s\n", time.Now().Format("15:04:05.000"), lines.Text())
		if !seen && strings.Contains(lines.Text(), "DHCP, IP range") {
			seen = true
			close(started)
		}
	}
}

// Listen listens on an address of the network.
func (n *Network) Listen(network, address string) (net.Listener, error) {
	return n.ns.listen(network, address)
}

// DialGuest connects to a TCP port of the guest.
func (n *Network) DialGuest(ctx context.Context, port int) (net.Conn, error) {
	return n.Dial(ctx, netip.Addr{}, netip.AddrPortFrom(netip.MustParseAddr(GuestAddress), uint16(port)))
}

// Dial connects by TCP from an address of the network, which may be the zero
// Addr for the one that the routes choose.
func (n *Network) Dial(ctx context.Context, from netip.Addr, to netip.AddrPort) (net.Conn, error) {
	return n.ns.dial(ctx, from, to)
}

// Run runs a command in the network and returns what it printed.
func (n *Network) Run(ctx context.Context, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	err := n.start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, bytes.TrimSpace(output.Bytes()))
	}
	return output.Bytes(), nil
}

// Open opens a file in the network, to which the devices made by it belong.
func (n *Network) Open(open func() (*os.File, error)) (f *os.File, err error) {
	err = n.ns.do(func() error {
		f, err = open()
		return err
	})
	return f, err
}

// start starts a child process in the network; it dies with this process.
func (n *Network) start(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = unix.SIGKILL
	return n.ns.do(cmd.Start)
}

// Close ends dnsmasq and the namespace. Guests must have ended before.
func (n *Network) Close() error {
	if n.dnsmasq != nil {
		_ = n.dnsmasq.Process.Kill() // may have ended with its context
		<-n.exited
	}
	return n.ns.close()
}
