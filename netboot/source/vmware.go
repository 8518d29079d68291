package source

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"boothook/netboot/fetch"
	"boothook/netboot/guestinfo"
	"boothook/netboot/instance"
	"boothook/netboot/platform"
)

// VMware gives a machine variables, "guestinfo.NAME", over its hypervisor.
// Their names and encodings are those of cloud-init's DataSourceVMware.
const (
	vmMeta     = guestinfo.MetaData
	vmUser     = guestinfo.UserData
	vmVendor   = guestinfo.VendorData
	vmEncoding = ".encoding"
	// vmNothing stands in a variable that was there and is taken back.
	vmNothing = "---"
	// maxCleared bounds the variables that are taken back.
	maxCleared = 32
)

func vmware() *Source {
	return &Source{
		Name: "vmware", fetch: fetchVMware, parse: parseVMware, tell: tellVMware,
		Rules: []platform.Rule{
			{Platform: "vmware", Fact: platform.Fact{Of: platform.GuestVariable, Is: vmMeta}, HardwareID: platform.ProductUUID},
			{Platform: "vmware", Fact: platform.Fact{Of: platform.GuestVariable, Is: vmUser}, HardwareID: platform.ProductUUID},
			{Platform: "vmware", Fact: platform.Fact{Of: platform.GuestVariable, Is: vmVendor}, HardwareID: platform.ProductUUID},
		},
	}
}

// guestVariables is the hypervisor's end.
type guestVariables interface {
	Get(name string) ([]byte, error)
	Set(name, value string) error
}

func fetchVMware(_ context.Context, _ *Env) (Docs, error) {
	host, err := guestinfo.Open()
	if err != nil {
		return nil, err
	}
	defer host.Close()
	got, err := readVariables(host, vmMeta, vmMeta+vmEncoding, vmUser, vmUser+vmEncoding, vmVendor, vmVendor+vmEncoding)
	if err == nil && got[vmMeta] == nil && got[vmUser] == nil && got[vmVendor] == nil {
		err = fmt.Errorf("%w: guestinfo holds neither metadata, userdata nor vendordata", ErrMalformed)
	}
	return got, err
}

func readVariables(host guestVariables, names ...string) (Docs, error) {
	got := Docs{}
	for _, name := range names {
		value, err := host.Get(name)
		switch {
		case errors.Is(err, guestinfo.ErrNotFound):
		case err != nil:
			return nil, err
		case strings.TrimSpace(string(value)) != vmNothing:
			got[name] = value
		}
	}
	return got, nil
}

func parseVMware(got Docs, ev *platform.Evidence) (*instance.Instance, error) {
	in := &instance.Instance{}
	body, err := vmDecode(in, vmMeta, got[vmMeta], got.text(vmMeta+vmEncoding))
	if err != nil {
		return nil, err
	}
	meta, err := parseYAML("guestinfo.metadata", body)
	if err != nil {
		return nil, err
	}
	if meta.str("instance-id") == "" {
		meta["instance-id"] = strings.ToLower(ev.DMI["product_uuid"])
	}
	in.ID, in.Hostname = meta.str("instance-id"), meta.text("local-hostname", "hostname")
	in.MetaData = meta.without("network", "network.encoding")
	// The first of these names that is there counts, as for cloud-init.
	for _, name := range []string{"public-keys-data", "public_keys_data", "public-keys", "public_keys"} {
		if v, there := meta[name]; there {
			in.PublicKeys = keysOf(v)
			break
		}
	}
	in.UserData = vmValue(in, vmUser, got[vmUser], got.text(vmUser+vmEncoding))
	in.VendorData = vmValue(in, vmVendor, got[vmVendor], got.text(vmVendor+vmEncoding))
	if network, ok := meta["network"].(string); ok {
		in.NetworkConfig = vmValue(in, "metadata: network", []byte(network), meta.str("network.encoding"))
	} else {
		in.NetworkConfig = networkDocument(in, meta["network"])
	}
	return in, nil
}

// vmValue undoes the encoding of a value that the instance can be without.
func vmValue(in *instance.Instance, name string, body []byte, encoding string) []byte {
	if strings.TrimSpace(string(body)) == vmNothing {
		return nil
	}
	plain, err := vmDecode(in, name, body, encoding)
	if err != nil {
		in.Bad("guestinfo."+name, "is not what "+vmEncoding[1:]+" says, and left out")
	}
	return plain
}

// vmDecode undoes the encoding that a variable's neighbour names. What has an
// unknown one, or is no base64, is kept as it is.
func vmDecode(in *instance.Instance, name string, body []byte, encoding string) ([]byte, error) {
	switch encoding {
	case "", vmNothing:
		return body, nil
	case "base64", "b64":
		return promised(in, "guestinfo."+name, string(body)), nil
	case "gzip+base64", "gz+b64":
		packed, err := fromBase64(string(body))
		if err != nil {
			return nil, err
		}
		z, err := gzip.NewReader(bytes.NewReader(packed))
		if err == nil {
			packed, err = io.ReadAll(io.LimitReader(z, fetch.MaxDocument+1))
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("%w: guestinfo.%s is not gzip", ErrMalformed, name)
		case len(packed) > fetch.MaxDocument:
			return nil, fmt.Errorf("guestinfo.%s: %w", name, fetch.ErrTooLarge)
		}
		return packed, nil
	}
	in.Odd("guestinfo."+name+vmEncoding, "is no encoding that is known, and the value is kept as it is")
	return body, nil
}

// tellVMware takes back the variables that the metadata ask to be taken back
// once they have been used: those under "redact" and "cleanup-guestinfo".
func tellVMware(_ context.Context, _ *Env, out instance.Outcome) error {
	if !out.Applied {
		return nil
	}
	host, err := guestinfo.Open()
	if err != nil {
		return err
	}
	defer host.Close()
	return clearVariables(host)
}

func clearVariables(host guestVariables) error {
	got, err := readVariables(host, vmMeta, vmMeta+vmEncoding)
	if err != nil {
		return err
	}
	body, err := vmDecode(&instance.Instance{}, vmMeta, got[vmMeta], got.text(vmMeta+vmEncoding))
	if err != nil {
		return err
	}
	meta, err := parseYAML("guestinfo.metadata", body)
	if err != nil {
		return err
	}
	var errs []error
	names := append(keysOf(meta["redact"]), keysOf(meta["cleanup-guestinfo"])...)
	for _, name := range names[:min(len(names), maxCleared)] {
		if name != vmMeta && name != vmUser && name != vmVendor {
			continue
		}
		errs = append(errs, host.Set(name, vmNothing), host.Set(name+vmEncoding, vmNothing))
	}
	return errors.Join(errs...)
}
