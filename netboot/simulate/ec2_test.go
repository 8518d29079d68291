package simulate

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// serve runs a server and gives its base address.
func serve(t *testing.T, s Server) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return "http://" + ln.Addr().String()
}

// ask sends a request with header fields given in pairs.
func ask(t *testing.T, method, url string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func ec2Machine() Machine {
	return Machine{InstanceID: "i-1", Hostname: "h.example", PublicKeys: []string{"ssh-rsa AAAA one", "ssh-rsa BBBB two"}, UserData: []byte("\x1f\x8b\x00bytes"), LaunchIndex: 7}
}

func TestEC2Tokens(t *testing.T) {
	base := serve(t, Server{Handler: EC2{Machine: ec2Machine()}})
	const put = "/latest/api/token"
	ttl := func(v string) []string { return []string{"X-aws-ec2-metadata-token-ttl-seconds", v} }
	_, token := ask(t, "PUT", base+put, ttl("60")...)
	tests := []struct {
		name, method, path string
		header             []string
		status             int
	}{
		{"token", "PUT", put, ttl("21600"), 200},
		{"no ttl", "PUT", put, nil, 400},
		{"ttl of nothing", "PUT", put, ttl("0"), 400},
		{"ttl too long", "PUT", put, ttl("21601"), 400},
		{"ttl is no number", "PUT", put, ttl("long"), 400},
		{"through a proxy", "PUT", put, append(ttl("60"), "X-Forwarded-For", "10.0.0.1"), 403},
		{"a slash too many", "PUT", put + "/", ttl("60"), 403},
		{"get a token", "GET", put, nil, 405},
		{"without a token", "GET", "/latest/meta-data/instance-id", nil, 401},
		{"with a token", "GET", "/latest/meta-data/instance-id", []string{ec2Token, token}, 200},
		{"with another's token", "GET", "/latest/meta-data/instance-id", []string{ec2Token, "A" + token[1:20] + "xxxx" + token[24:]}, 401},
		{"with an expired one", "GET", "/latest/user-data", []string{ec2Token, ec2NewToken(time.Now().Add(-time.Second))}, 401},
		{"with nonsense", "GET", "/latest/meta-data/instance-id", []string{ec2Token, "nonsense"}, 401},
		{"dated version", "GET", "/2009-04-04/user-data", []string{ec2Token, token}, 200},
		{"unknown version", "GET", "/2009-04-05/user-data", []string{ec2Token, token}, 404},
		{"unknown document", "GET", "/latest/meta-data/nothing", []string{ec2Token, token}, 404},
		{"post", "POST", "/latest/user-data", []string{ec2Token, token}, 405},
	}
	for _, tt := range tests {
		if resp, _ := ask(t, tt.method, base+tt.path, tt.header...); resp.StatusCode != tt.status {
			t.Errorf("%s: status %d, want %d", tt.name, resp.StatusCode, tt.status)
		}
	}
}

func TestEC2Documents(t *testing.T) {
	base := serve(t, Server{Handler: EC2{Machine: ec2Machine(), V1: true}})
	for path, want := range map[string]string{
		"/latest":                                     "dynamic\nmeta-data\nuser-data",
		"/latest/meta-data/public-keys":               "0=one\n1=two",
		"/latest/meta-data/public-keys/":              "0=one\n1=two",
		"/latest/meta-data/public-keys/0":             "openssh-key",
		"/latest/meta-data/public-keys/1/openssh-key": "ssh-rsa BBBB two",
		"/latest/meta-data/placement/":                "availability-zone\nregion",
		"/latest/meta-data/ami-launch-index":          "7",
		"/latest/meta-data/local-hostname":            "h.example",
		"/latest/user-data":                           "\x1f\x8b\x00bytes",
		"/latest/dynamic/instance-identity":           "document",
	} {
		resp, body := ask(t, "GET", base+path)
		if resp.StatusCode != 200 || body != want {
			t.Errorf("%s: status %d, %q, want %q", path, resp.StatusCode, body, want)
		}
	}
	_, list := ask(t, "GET", base+"/latest/meta-data/")
	for _, name := range []string{"instance-id\n", "placement/\n", "public-keys/\n", "iam/\n"} {
		if !strings.Contains(list, name) {
			t.Errorf("the listing lacks %q:\n%s", name, list)
		}
	}
	empty := serve(t, Server{Handler: EC2{Machine: Machine{InstanceID: "i-2"}, V1: true}})
	for _, path := range []string{"/latest/user-data", "/latest/meta-data/public-keys/", "/latest/meta-data/public-keys/0/openssh-key"} {
		if resp, body := ask(t, "GET", empty+path); resp.StatusCode != 404 || !strings.Contains(body, "404 - Not Found") {
			t.Errorf("%s of a machine without: status %d, %q", path, resp.StatusCode, body)
		}
	}
}

// TestEC2Connections: the service closes, unless it is asked not to.
func TestEC2Connections(t *testing.T) {
	base := serve(t, Server{Handler: EC2{Machine: ec2Machine(), V1: true}})
	for header, closes := range map[string]bool{"": true, "keep-alive": false, "Keep-Alive": false} {
		resp, _ := ask(t, "GET", base+"/latest/user-data", "Connection", header)
		if resp.Close != closes {
			t.Errorf("Connection %q: closes %v, want %v", header, resp.Close, closes)
		}
	}
}

func TestFaults(t *testing.T) {
	var (
		mu      sync.Mutex
		entries []Entry
	)
	base := serve(t, Server{
		Handler: EC2{Machine: ec2Machine(), V1: true},
		Faults:  Faults{Status: 503, Times: 2, Path: "/latest/user-data", Delay: 20 * time.Millisecond},
		Log: func(e Entry) {
			mu.Lock()
			defer mu.Unlock()
			entries = append(entries, e)
		},
	})
	for i, want := range []int{503, 503, 200} {
		if resp, _ := ask(t, "GET", base+"/latest/user-data"); resp.StatusCode != want {
			t.Errorf("request %d: status %d, want %d", i, resp.StatusCode, want)
		}
		if resp, _ := ask(t, "GET", base+"/latest/meta-data/instance-id"); resp.StatusCode != 200 {
			t.Errorf("another path: status %d", resp.StatusCode)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(entries) != 6 {
		t.Fatalf("%d entries in the log of 6 requests", len(entries))
	}
	e := entries[0]
	if e.Status != 503 || e.Method != "GET" || e.Path != "/latest/user-data" || e.Conn != 1 || e.Took < 20*time.Millisecond || e.Bytes == 0 {
		t.Errorf("the first entry is %+v", e)
	}
}

func TestResetAndHang(t *testing.T) {
	for name, f := range map[string]Faults{"reset": {Reset: true}, "hang": {Hang: true}} {
		base := serve(t, Server{Handler: EC2{V1: true}, Faults: f})
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		req, err := http.NewRequestWithContext(ctx, "GET", base+"/latest/user-data", nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := http.DefaultTransport.RoundTrip(req); err == nil {
			t.Errorf("%s: answered with status %d", name, resp.StatusCode)
		}
		if timedOut := ctx.Err() != nil; timedOut != f.Hang {
			t.Errorf("%s: timed out: %v", name, timedOut)
		}
		cancel()
	}
}

func TestFind(t *testing.T) {
	if _, err := Find("ec2"); err != nil {
		t.Error(err)
	}
	if _, err := Find("ec3"); err == nil || !strings.Contains(err.Error(), "ec2") {
		t.Errorf("an unknown cloud: %v", err)
	}
}
