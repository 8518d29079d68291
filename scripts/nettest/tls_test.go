//go:build net

package nettest

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// serveTLS serves the user-data by https with a certificate that is valid at
// some time, from an authority that the initrd was given when it was baked, a
// day before.
func (l *lab) serveTLS(addr, name string, now time.Time) {
	l.t.Helper()
	certificate, authority := certify(l.t, name, now)
	var ln net.Listener
	within(l.t, l.cloud, func() (err error) {
		ln, err = tls.Listen("tcp", addr, &tls.Config{Certificates: []tls.Certificate{certificate}})
		return err
	})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, userData) })}
	go server.Serve(ln)
	l.t.Cleanup(func() { server.Close() })

	mark, err := json.Marshal(map[string]int64{"not_before": now.Add(-24 * time.Hour).Unix()})
	if err != nil {
		l.t.Fatal(err)
	}
	pipe, err := os.ReadFile(built.Path(l.t, "boothook-extra"))
	if err != nil {
		l.t.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(pipe); err != nil || z.Close() != nil {
		l.t.Fatal(err)
	}
	l.initrd(map[string]string{
		"/usr/lib/boothook/boothook-extra.gz": packed.String(),
		"/usr/lib/boothook/baked.json":        string(mark),
		"/etc/boothook/ca.pem":                string(authority),
	})
}

// initrd gives the machine files beside those that are there: what runs on it
// sees them, and nobody else.
func (l *lab) initrd(files map[string]string) {
	l.t.Helper()
	script := "set -e\n"
	for _, dir := range []string{"usr/lib", "etc"} {
		upper, work := filepath.Join(l.dir, "initrd", dir), filepath.Join(l.dir, "work", dir)
		for _, d := range []string{upper, work} {
			if err := os.MkdirAll(d, 0o755); err != nil {
				l.t.Fatal(err)
			}
		}
		script += "mount -t overlay -o lowerdir=/" + dir + ",upperdir=" + upper + ",workdir=" + work + " overlay /" + dir + "\n"
	}
	for path, text := range files {
		path = filepath.Join(l.dir, "initrd", path)
		l.write(path, text)
		if err := os.Chmod(path, 0o755); err != nil {
			l.t.Fatal(err)
		}
	}
	// "ip netns exec" has made a mount namespace.
	l.within = []string{"sh", "-c", script + `exec "$@"`, "sh"}
}

// certify makes a certificate for name, valid a month around now, and the
// authority behind it, in PEM.
func certify(t *testing.T, name string, now time.Time) (tls.Certificate, []byte) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	const month = 30 * 24 * time.Hour
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{name},
		NotBefore: now.Add(-month / 2), NotAfter: now.Add(month / 2),
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
