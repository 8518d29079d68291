//go:build boot && attack

package boottest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"boothook/initramfs/report"
	"boothook/netboot/simulate"
)

// attackPatience is what a boot may take from the worker's start to its end,
// emulated and on a busy machine: far more than it needs, and less than any of
// the waits that a wrong clock or a lack of entropy could lead to.
const attackPatience = 50 * time.Second

// included is what the user-data include by https, and where from.
const (
	included   = "#cloud-config\nwrite_files: [{path: /etc/included, content: x}]\n"
	secureHost = "169.254.169.250"
)

// TestAttackBoots boots machines whose clock is at either end of what 32 bits
// can say, and one that has no source of entropy. Each takes its data from EC2
// and includes a part by https, whose certificate is of today: at 1970 that is
// taken, because the initrd knows when it was baked; at 2106 it has expired, so
// that part is refused, and no other.
func TestAttackBoots(t *testing.T) {
	k := findKernel(t, "bookworm")
	dir := t.TempDir()
	certificate, authority := attackCertificate(t)
	check(t, os.WriteFile(filepath.Join(dir, "ca.pem"), authority, 0o644))
	setclock := filepath.Join(dir, "setclock")
	run(t, "go", "build", "-o", setclock, "./testdata/setclock")
	initrd, disk := k.build(t, "--ca", filepath.Join(dir, "ca.pem"), "--include", setclock+"=/setclock"), lightDisk(t)

	service := attackListen(t, "127.0.0.1:0", nil, simulate.EC2{Machine: simulate.Machine{InstanceID: "i-0123456789abcdef0", Hostname: "attacked",
		UserData: []byte("Content-Type: multipart/mixed; boundary=b\nMIME-Version: 1.0\n\n--b\nContent-Type: text/cloud-config\n\nhostname: plain\n" +
			"--b\nContent-Type: text/x-include-url\n\nhttps://" + secureHost + "/part\n--b--\n")}})
	secure := attackListen(t, "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}},
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, included) }))
	network := []string{"-netdev", fmt.Sprintf("user,id=net,net=169.254.0.0/16,dhcpstart=169.254.10.15,"+
		"guestfwd=tcp:169.254.169.254:80-cmd:busybox nc 127.0.0.1 %d,guestfwd=tcp:%s:443-cmd:busybox nc 127.0.0.1 %d", service, secureHost, secure),
		"-device", "virtio-net-pci,netdev=net,romfile="}

	for _, c := range []struct {
		name    string
		machine []string
		words   string
		console string // what the kernel says of it
		trusts  bool   // the certificate
	}{
		{"a clock at 1970", []string{"-rtc", "base=1970-01-01T00:00:00"}, "", "setting system clock to 1970-01-01T", true},
		// 32 bits without a sign end two seconds later.
		{"a clock at 2106", nil, fmt.Sprintf("rdinit=/setclock setclock=%d", 1<<32-2), "current time 2106-02-07T06:28:", false},
		// Of QEMU's own seed, of the processor and of a device.
		{"no entropy", []string{"-cpu", "Nehalem,-rdrand,-rdseed"}, "random.trust_cpu=off random.trust_bootloader=off", "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := k
			k.machine = slices.Concat(network, c.machine)
			console := k.lightBoot(t, initrd, disk, "512", "root=/dev/vda", "rw", "boothook.log=debug", c.words)
			wantLines(t, console, c.console, "@@init")
			r := lightReport(t, console)
			part := "included"
			switch refused := problemAbout(r, "certificate has expired"); {
			case r.Result != report.Applied || r.Hostname != "plain":
				t.Errorf("%s: %v", r.Result, r.Problems)
			case c.trusts && (problemAbout(r, secureHost) != "" || !wrote(r, "/etc/included")):
				t.Errorf("the certificate was not trusted: %v", r.Problems)
			case !c.trusts && (!strings.Contains(refused, secureHost) || wrote(r, "/etc/included")):
				t.Errorf("the certificate was trusted, or it is not said why not: %v", r.Problems)
			case !c.trusts:
				part = "refused: " + refused
			}
			first, last := r.Timeline[0], r.Timeline[len(r.Timeline)-1]
			took := time.Duration((last.Seconds - first.Seconds) * float64(time.Second))
			if took > attackPatience {
				t.Errorf("took %v: %v", took, r.Timeline)
			}
			entropy := regexp.MustCompile(`\[ *[0-9.]+\] random: crng init done`).FindString(console)
			if c.console == "" && entropy == "" {
				t.Error("the kernel does not say when it had entropy")
			}
			t.Logf("attack: %s: %s in %v, the kernel's entropy %q, the part by https %s", c.name, r.Result, took.Round(time.Millisecond), entropy, part)
			if t.Failed() {
				t.Log(lastOf(console, 8000))
			}
		})
	}
}

// wrote says whether a boot has written a file.
func wrote(r *report.Report, path string) bool {
	return slices.ContainsFunc(r.Steps, func(s report.Step) bool { return strings.Contains(fmt.Sprint(s), path) })
}

// problemAbout is the message of a problem that has the text; "" if none has.
func problemAbout(r *report.Report, text string) string {
	for _, p := range r.Problems {
		if strings.Contains(p.Message, text) {
			return p.Message
		}
	}
	return ""
}

// attackListen serves until the test ends, and gives the port.
func attackListen(t *testing.T, address string, secure *tls.Config, h http.Handler) (port int) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	check(t, err)
	port = listener.Addr().(*net.TCPAddr).Port
	if secure != nil {
		listener = tls.NewListener(listener, secure)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- simulate.Server{Handler: h}.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("service: %v", err)
		}
	})
	return port
}

// attackCertificate is one of today, of an authority of its own, in PEM.
func attackCertificate(t *testing.T) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "attack"}, IPAddresses: []net.IP{net.ParseIP(secureHost)},
		// The initrd is as old as the kernel's modules.
		NotBefore: time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
