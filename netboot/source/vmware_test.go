package source

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boothook/netboot/guestinfo"
)

// variables stands for the hypervisor's end, which guestinfo's own tests hold
// against the protocol.
type variables map[string]string

func (v variables) Get(name string) ([]byte, error) {
	if value, ok := v[name]; ok {
		return []byte(value), nil
	}
	return nil, fmt.Errorf("%s: %w", name, guestinfo.ErrNotFound)
}

func (v variables) Set(name, value string) error {
	if name == "locked" {
		return guestinfo.ErrProtocol
	}
	v[name] = value
	return nil
}

func TestReadVariables(t *testing.T) {
	got, err := readVariables(variables{"metadata": "a: 1", "userdata": "---\n", "other": "x"}, "metadata", "userdata", "vendordata")
	if diff := cmp.Diff(Docs{"metadata": []byte("a: 1")}, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

// TestClearVariables takes back what the metadata name, and nothing else.
func TestClearVariables(t *testing.T) {
	v := variables{
		"metadata": "redact: [userdata, ovfEnv]\ncleanup-guestinfo: [vendordata]\n",
		"userdata": "secret", "userdata.encoding": "b64", "vendordata": "v", "ovfEnv": "e",
	}
	if err := clearVariables(v); err != nil {
		t.Fatal(err)
	}
	want := variables{
		"metadata": v["metadata"], "userdata": "---", "userdata.encoding": "---",
		"vendordata": "---", "vendordata.encoding": "---", "ovfEnv": "e",
	}
	if diff := cmp.Diff(want, v); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	v["metadata"] = "not: [yaml"
	if err := clearVariables(v); err == nil {
		t.Error("metadata that cannot be read are no error")
	}
}
