package source

import (
	"errors"
	"strings"
	"testing"
	"time"

	"boothook/netboot/fetch"
	"boothook/netboot/instance"
	"boothook/netboot/platform"
	"boothook/netboot/simulate"

	"github.com/google/go-cmp/cmp"
)

const script = "#!/bin/sh\necho hello\n"

func machine() simulate.Machine {
	return simulate.Machine{
		InstanceID:  "i-0123456789abcdef0",
		Hostname:    "web-1.example.org",
		PublicKeys:  []string{"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA me@example.org"},
		UserData:    []byte(script),
		LaunchIndex: 3,
	}
}

func TestEC2(t *testing.T) {
	v1 := machine()
	bare := simulate.Machine{InstanceID: "i-1"}
	encoded := machine()
	encoded.UserData = []byte("IyEvYmluL3NoCmVjaG8gaGVsbG8K")
	tests := []struct {
		name   string
		h      simulate.EC2
		faults simulate.Faults
		want   func(*instance.Instance)
	}{
		{name: "version 2", h: simulate.EC2{Machine: machine()}},
		{name: "token refused with 403", h: simulate.EC2{Machine: v1, V1: true, NoTokens: 403}},
		{name: "token refused with 404", h: simulate.EC2{Machine: v1, V1: true, NoTokens: 404}},
		{name: "token refused with 405", h: simulate.EC2{Machine: v1, V1: true, NoTokens: 405}},
		{name: "token refused with 401", h: simulate.EC2{Machine: v1, V1: true, NoTokens: 401}},
		{name: "base64 user-data", h: simulate.EC2{Machine: encoded}},
		{name: "slow", h: simulate.EC2{Machine: machine()}, faults: simulate.Faults{Delay: 30 * time.Millisecond}},
		{name: "503 at first", h: simulate.EC2{Machine: machine()}, faults: simulate.Faults{Status: 503, Times: 5}},
		{name: "429 for the user-data", h: simulate.EC2{Machine: machine()}, faults: simulate.Faults{Status: 429, Times: 2, Path: "/latest/user-data"}},
		{name: "reset at first", h: simulate.EC2{Machine: machine()}, faults: simulate.Faults{Reset: true, Times: 3}},
		{name: "one stale token", h: simulate.EC2{Machine: machine()}, faults: simulate.Faults{Status: 401, Times: 1, Path: "/latest/user-data"}},
		{name: "no identity document", h: simulate.EC2{Machine: machine()}, faults: simulate.Faults{Status: 500, Path: "/latest/dynamic"},
			want: func(in *instance.Instance) {
				for _, k := range []string{"placement", "ami-id", "instance-type", "local-ipv4"} {
					delete(in.MetaData, k)
				}
			}},
		{name: "nothing but an id", h: simulate.EC2{Machine: bare}, want: func(in *instance.Instance) {
			zero := 0
			in.ID, in.Hostname, in.PublicKeys, in.UserData, in.LaunchIndex = "i-1", "", nil, nil, &zero
			delete(in.MetaData, "local-hostname")
			delete(in.MetaData, "public-keys")
			in.MetaData["instance-id"], in.MetaData["ami-launch-index"] = "i-1", 0
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, tt.h, tt.faults)
			got, err := Fetch(within(t, 10*time.Second), platform.Match{Source: "ec2", Platform: "aws", HardwareID: "product_uuid=ec2"}, s.env)
			if err != nil {
				t.Fatal(err)
			}
			m := machine()
			index := 3
			want := instance.Instance{
				Source: "ec2", Platform: "aws", ID: m.InstanceID, HardwareID: "product_uuid=ec2", Hostname: m.Hostname,
				PublicKeys: m.PublicKeys, LaunchIndex: &index, UserData: []byte(script),
				MetaData: map[string]any{
					"instance-id": m.InstanceID, "local-hostname": m.Hostname, "public-keys": m.PublicKeys,
					"ami-launch-index": 3, "ami-id": "ami-0abcdef1234567890", "instance-type": "t3.micro",
					"local-ipv4": "10.0.0.10",
					"placement":  map[string]any{"availability-zone": "us-east-1a", "region": "us-east-1"},
				},
			}
			if tt.want != nil {
				tt.want(&want)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestEC2Economy counts what a healthy service is asked for.
func TestEC2Economy(t *testing.T) {
	for _, delay := range []time.Duration{0, 20 * time.Millisecond} {
		s := start(t, simulate.EC2{Machine: machine()}, simulate.Faults{Delay: delay})
		if _, err := Fetch(within(t, 10*time.Second), platform.Match{Source: "ec2"}, s.env); err != nil {
			t.Fatal(err)
		}
		requests, conns := s.count()
		if requests["PUT"] != 1 || requests["GET"] > 7 || conns > 4 || len(requests) != 2 {
			t.Errorf("delay %v: %v over %d connections, want 1 PUT and at most 7 GETs over at most 4", delay, requests, conns)
		}
		if n := s.env.HTTP.Stats().Connections; n > 4 {
			t.Errorf("delay %v: %d connections opened", delay, n)
		}
		for _, e := range s.entries {
			if strings.Contains(e.Path, "credentials") {
				t.Errorf("asked for %s", e.Path)
			}
		}
	}
}

// TestEC2CannotTell makes sure that no failure passes for "no user-data".
func TestEC2CannotTell(t *testing.T) {
	tests := []struct {
		name   string
		faults simulate.Faults
		status int
	}{
		{"user-data 500", simulate.Faults{Status: 500, Path: "/latest/user-data"}, 500},
		{"user-data 403", simulate.Faults{Status: 403, Path: "/latest/user-data"}, 403},
		{"user-data 401 for ever", simulate.Faults{Status: 401, Path: "/latest/user-data"}, 401},
		{"user-data reset", simulate.Faults{Reset: true, Path: "/latest/user-data"}, 0},
		{"user-data never comes", simulate.Faults{Hang: true, Path: "/latest/user-data"}, 0},
		{"key 500", simulate.Faults{Status: 500, Path: "/latest/meta-data/public-keys"}, 500},
		{"token never comes", simulate.Faults{Hang: true, Path: "/latest/api"}, 0},
		{"token 500", simulate.Faults{Status: 500, Path: "/latest/api"}, 500},
		{"no id", simulate.Faults{Status: 404, Path: "/latest/meta-data/instance-id"}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, simulate.EC2{Machine: machine()}, tt.faults)
			begin := time.Now()
			in, err := Fetch(within(t, time.Second), platform.Match{Source: "ec2"}, s.env)
			if err == nil {
				t.Fatalf("got an instance with user-data %q", in.UserData)
			}
			if errors.Is(err, fetch.ErrNotFound) || fetch.Status(err) != tt.status {
				t.Errorf("error %v, want status %d", err, tt.status)
			}
			if took := time.Since(begin); took > 30*time.Second {
				t.Errorf("gave up after %v of 1s", took)
			}
		})
	}
}

func TestMaybeBase64(t *testing.T) {
	for in, want := range map[string]string{
		"":                             "",
		"IyEvYmluL3NoCg==":             "#!/bin/sh\n",
		"IyEvYmluL3NoCg==\n":           "IyEvYmluL3NoCg==\n",
		"IyEv\nYmluL3NoCg==":           "IyEv\nYmluL3NoCg==",
		"IyEvYmluL3NoCg":               "IyEvYmluL3NoCg",
		"#!/bin/sh\necho IyEvYmluL3No": "#!/bin/sh\necho IyEvYmluL3No",
		"H4sIA\x00":                    "H4sIA\x00",
	} {
		if got := string(maybeBase64([]byte(in))); got != want {
			t.Errorf("maybeBase64(%q) = %q, want %q", in, got, want)
		}
	}
}
