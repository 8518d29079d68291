package report

import (
	"bytes"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func sample() *Report {
	r := &Report{
		Schema: Schema, Version: "1.2", BootID: "b", Result: Applied, Platform: "aws", Source: "ec2",
		Evidence: []string{"product_uuid is ec2…"}, InstanceID: "i-1", NewInstance: true, Hostname: "web1",
		Network: []NIC{{Name: "ens5", MAC: "02:00:00:00:00:01", Address: "10.0.0.5/24", Gateway: "10.0.0.1", DNS: []string{"10.0.0.2"}, Used: true}},
		Fetch:   &Fetch{Requests: 6, Connections: 4},
		Parts: []Part{{Index: 1, Name: "part-001", Type: "text/cloud-config", Origin: "user-data", Size: 12, SHA256: "ab"},
			{Index: 2, Name: "x", Type: "text/plain", Origin: "user-data", Error: "nothing handles this part"}},
		Hooks:    []Hook{{Name: "hook", Exit: 3, Seconds: 0.25, Error: "exit status 3"}},
		Steps:    []Step{{Kind: "file", Path: "/etc/motd", Result: "written", Part: "part-001", Key: "write_files"}},
		Problems: []Problem{{Origin: "user-data", Part: "x", Line: 3, Message: "nothing handles this part"}, {Message: "a word of caution", Warning: true}},
	}
	r.Mark(1500*time.Millisecond, "early call")
	return r
}

func TestGolden(t *testing.T) {
	r := sample()
	r.MergeLate([]byte(`{"at": 1700000000, "name": "scripts/a", "exit": 0}` + "\nnot json\n\n" + `{"at": 1700000001.5, "name": "finished", "exit": 1}`))
	var text bytes.Buffer
	r.Text(&text)
	encoded, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for file, got := range map[string][]byte{"testdata/report.txt": text.Bytes(), "testdata/report.json": encoded} {
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
	back, err := Decode(encoded)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, back); diff != "" {
		t.Errorf("Decode(Encode) (-want +got):\n%s", diff)
	}
}

func TestDecodeRefusesOtherSchemas(t *testing.T) {
	for _, text := range []string{`{"schema": 2}`, `{}`, `[]`, ``} {
		if r, err := Decode([]byte(text)); err == nil {
			t.Errorf("Decode(%q) = %+v, want an error", text, r)
		}
	}
}

func TestFailures(t *testing.T) {
	if got := sample().Failures(); len(got) != 1 || got[0].Part != "x" {
		t.Errorf("Failures = %v, want the one that is no warning", got)
	}
}

// A boot that asked nobody says why, in its one line.
func TestUnasked(t *testing.T) {
	r := &Report{Result: Known, InstanceID: "i-1", Source: "ec2", Unasked: "it has no hooks"}
	if got, want := r.Summary(), "known, instance i-1 from ec2: nothing was fetched, it has no hooks"; got != want {
		t.Errorf("Summary = %q, want %q", got, want)
	}
}
