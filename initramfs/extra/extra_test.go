package extra

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The packed program is unpacked once, and what is there stays.
func TestUnpack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "boothook-extra")
	if err := unpack(path); !os.IsNotExist(err) {
		t.Errorf("without any: %v", err)
	}
	var archive bytes.Buffer
	z := gzip.NewWriter(&archive)
	_, err := z.Write([]byte("a program"))
	if err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, archive, want string }{
		{"cut off", archive.String()[:archive.Len()-4], ""},
		{"not packed", "a program", ""},
		{"packed", archive.String(), "a program"},
		{"there already", "", "a program"},
	} {
		if err := os.WriteFile(path+packed, []byte(tt.archive), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := unpack(path); (err == nil) != (tt.want != "") {
			t.Errorf("%s: %v", tt.name, err)
		}
		got, err := os.ReadFile(path)
		if string(got) != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s: got %q, %v", tt.name, got, err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestNotBefore(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "baked.json")
	if at := notBefore(mark); !at.IsZero() {
		t.Errorf("without a mark: %v", at)
	}
	for text, want := range map[string]time.Time{`{"not_before": 1700000000}`: time.Unix(1700000000, 0), "{": {}, `{"not_before": "x"}`: {}} {
		if err := os.WriteFile(mark, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if at := notBefore(mark); !at.Equal(want) {
			t.Errorf("%s: %v, want %v", text, at, want)
		}
	}
}
