package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"boothook/netboot/fetch"
)

// TestMain lets the test binary be the program under test.
func TestMain(m *testing.M) {
	if os.Getenv("BOOTHOOK_TLS_TEST") == "pipe" {
		main()
		return
	}
	os.Setenv("BOOTHOOK_TLS_TEST", "pipe")
	os.Exit(m.Run())
}

// certificate makes one for www.example.org that is its own authority.
func certificate(t *testing.T, from, to time.Time) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{"www.example.org"},
		NotBefore: from, NotAfter: to, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// serve runs an https server with the certificate, and gives its address.
func serve(t *testing.T, cert tls.Certificate) string {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.Repeat(r.URL.Path, 10_000))
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func client(t *testing.T, addr string, pipe fetch.TLSPipe) *fetch.Client {
	t.Helper()
	c := fetch.New(fetch.Config{
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, addr)
		},
		TLS: pipe.Wrap,
	})
	t.Cleanup(c.Close)
	return c
}

func write(t *testing.T, name string, body []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPipe(t *testing.T) {
	now := time.Now()
	good, ca := certificate(t, now.Add(-time.Hour), now.Add(time.Hour))
	future, futureCA := certificate(t, now.AddDate(1, 0, 0), now.AddDate(3, 0, 0))
	_, otherCA := certificate(t, now.Add(-time.Hour), now.Add(time.Hour))
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		cert tls.Certificate
		url  string
		pipe fetch.TLSPipe
		want error
	}{
		{"good", good, "https://www.example.org/a", fetch.TLSPipe{Path: self, CA: write(t, "ca.pem", ca)}, nil},
		{"a directory of certificates", good, "https://www.example.org/a", fetch.TLSPipe{Path: self, CA: filepath.Dir(write(t, "ca.pem", ca))}, nil},
		{"unknown authority", good, "https://www.example.org/a", fetch.TLSPipe{Path: self, CA: write(t, "ca.pem", otherCA)}, fetch.ErrTLS},
		{"another name", good, "https://www.example.com/a", fetch.TLSPipe{Path: self, CA: write(t, "ca.pem", ca)}, fetch.ErrTLS},
		{"no certificates", good, "https://www.example.org/a", fetch.TLSPipe{Path: self, CA: write(t, "ca.pem", nil)}, fetch.ErrTLS},
		{"no such file", good, "https://www.example.org/a", fetch.TLSPipe{Path: self, CA: "/nonexistent"}, fetch.ErrTLS},
		{"a clock that is behind", future, "https://www.example.org/a", fetch.TLSPipe{Path: self, CA: write(t, "ca.pem", futureCA)}, fetch.ErrTLS},
		{"set right", future, "https://www.example.org/a", fetch.TLSPipe{Path: self, CA: write(t, "ca.pem", futureCA), NotBefore: now.AddDate(2, 0, 0)}, nil},
		{"expired by then", good, "https://www.example.org/a", fetch.TLSPipe{Path: self, CA: write(t, "ca.pem", ca), NotBefore: now.AddDate(1, 0, 0)}, fetch.ErrTLS},
		{"no such program", good, "https://www.example.org/a", fetch.TLSPipe{Path: "/nonexistent"}, fetch.ErrNeedsTLS},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := client(t, serve(t, tt.cert), tt.pipe)
			for range 2 { // the second over the same connection
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				body, err := c.Get(ctx, tt.url)
				if !errors.Is(err, tt.want) {
					t.Fatalf("got %d bytes, %v, want %v", len(body), err, tt.want)
				}
				if err == nil && string(body) != strings.Repeat("/a", 10_000) {
					t.Errorf("got %d bytes", len(body))
				}
			}
			if n := c.Stats().Connections; tt.want == nil && n != 1 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// TestBrokenOff: a server that hangs up in the handshake is tried again.
func TestBrokenOff(t *testing.T) {
	now := time.Now()
	good, ca := certificate(t, now.Add(-time.Hour), now.Add(time.Hour))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for n := 0; ; n++ {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			if n > 1 {
				secure := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{good}})
				if _, err := secure.Read(make([]byte, 1000)); err == nil {
					io.WriteString(secure, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
				}
			}
			conn.Close()
		}
	}()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, ln.Addr().String(), fetch.TLSPipe{Path: self, CA: write(t, "ca.pem", ca)})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if body, err := c.Get(ctx, "https://www.example.org/"); err != nil || string(body) != "hello" {
		t.Errorf("got %q, %v", body, err)
	}
}

// TestSilentServer: a server that never answers the handshake costs its bound.
func TestSilentServer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	_, ca := certificate(t, time.Now(), time.Now().Add(time.Hour))
	c := client(t, ln.Addr().String(), fetch.TLSPipe{Path: self, CA: write(t, "ca.pem", ca)})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	start := time.Now()
	if _, err := c.Get(ctx, "https://www.example.org/"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("took %v of 1s", took)
	}
}
