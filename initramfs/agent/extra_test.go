package agent

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"
)

// The packed program is unpacked once, and what is there stays.
func TestUnpackExtra(t *testing.T) {
	path := filepath.Join(t.TempDir(), "boothook-extra")
	if err := unpackExtra(path); !os.IsNotExist(err) {
		t.Errorf("without any: %v", err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := z.Write([]byte("a program"))
	if err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, packed, want string }{
		{"cut off", packed.String()[:packed.Len()-4], ""},
		{"not packed", "a program", ""},
		{"packed", packed.String(), "a program"},
		{"there already", "", "a program"},
	} {
		if err := os.WriteFile(path+extraPacked, []byte(tt.packed), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := unpackExtra(path); (err == nil) != (tt.want != "") {
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
