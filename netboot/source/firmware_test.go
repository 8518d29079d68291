package source

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"boothook/netboot/platform"
)

func TestSMBIOS(t *testing.T) {
	b64 := base64.StdEncoding.EncodeToString
	for name, tt := range map[string]struct {
		oem []string
		id  string
		err error
	}{
		"with an id": {[]string{"vendor=x", "boothook.meta-data=" + b64([]byte("instance-id: iid-1\n")), "boothook.user-data=" + b64([]byte(script))}, "iid-1", nil},
		"by uuid":    {[]string{"boothook.user-data=" + b64([]byte(script))}, "4c4c4544-0042", nil},
		"not base64": {[]string{"boothook.user-data=#!/bin/sh"}, "", ErrMalformed},
	} {
		env := Env{Evidence: platform.Evidence{OEM: tt.oem, DMI: map[string]string{"product_uuid": "4C4C4544-0042"}}}
		in, err := Fetch(t.Context(), platform.Match{Source: "smbios"}, env)
		if !errors.Is(err, tt.err) || in.ID != tt.id || err == nil && string(in.UserData) != script {
			t.Errorf("%s: got %+v, %v", name, in, err)
		}
	}
	if _, err := Fetch(t.Context(), platform.Match{Source: "smbios"}, Env{}); !errors.Is(err, ErrBadID) {
		t.Errorf("neither id nor uuid: %v", err)
	}
}

func TestFWCfg(t *testing.T) {
	sysfs := t.TempDir()
	for name, body := range map[string]string{"user-data": script, "meta-data": "instance-id: iid-1\n"} {
		dir := filepath.Join(sysfs, platform.FWCfgDir, name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "size"), fmt.Appendln(nil, len(body)), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "raw"), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ev := platform.Read(sysfs)
	m := Detect(&ev)
	if len(m) != 1 || m[0].Source != "fwcfg" {
		t.Fatalf("recognised as %+v", m)
	}
	in, err := Fetch(t.Context(), m[0], Env{Sysfs: sysfs})
	if err != nil || in.ID != "iid-1" || string(in.UserData) != script {
		t.Errorf("got %+v, %v", in, err)
	}
}
