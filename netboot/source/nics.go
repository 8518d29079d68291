package source

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// leaseMAC is the document that says which NIC the service was reached over, by
// its hardware address, and leaseAddress which address that NIC had. Fetch adds
// them where the service does not say to which NIC its words apply.
const (
	leaseMAC     = "lease/mac"
	leaseAddress = "lease/address"
)

// addLease adds both.
func (env *Env) addLease(got Docs) {
	got[leaseMAC] = []byte(env.mac(env.Lease.Interface))
	if env.Lease.Address.IsValid() {
		got[leaseAddress] = []byte(env.Lease.Address.String())
	}
}

// mac gives the hardware address of a NIC; "" where there is none.
func (env *Env) mac(name string) string {
	if name == "" || env.Sysfs == "" {
		return ""
	}
	text, err := os.ReadFile(filepath.Join(env.Sysfs, "class/net", name, "address"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// macs gives the hardware addresses of at most limit NICs that are devices, in
// order.
func (env *Env) macs(limit int) []string {
	var out []string
	entries, _ := os.ReadDir(filepath.Join(env.Sysfs, "class/net")) // none without sysfs
	for _, e := range entries {
		if exists(env.Sysfs, "class/net/"+e.Name()+"/device") {
			if mac := env.mac(e.Name()); mac != "" {
				out = append(out, mac)
			}
		}
	}
	slices.Sort(out)
	return out[:min(len(out), limit)]
}
