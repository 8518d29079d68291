package injector

import (
	"golang.org/x/sys/unix"

	"boothook/injector/cloudconfig"
	"boothook/injector/jinja"
	"boothook/injector/plan"
	"boothook/netboot/instance"
)

// variables are what templates see: the standardised instance data under v1
// and the source's own under ds, as cloud-init documents them.
func variables(inst *instance.Instance, facts *plan.Facts) map[string]any {
	short, _, _ := cloudconfig.HostNames(inst.Hostname) // a name that is none is the plan's to report
	keys := make([]any, len(inst.PublicKeys))
	for i, k := range inst.PublicKeys {
		keys[i] = k
	}
	v1 := map[string]any{"public_ssh_keys": keys}
	for _, v := range [...][2]string{
		{"cloud_name", inst.Platform}, {"cloud_id", inst.Platform}, {"platform", inst.Source},
		{"instance_id", inst.ID}, {"local_hostname", short},
		{"distro", facts.OSRelease["ID"]}, {"distro_release", facts.OSRelease["VERSION_CODENAME"]},
		{"distro_version", facts.OSRelease["VERSION_ID"]}, {"variant", facts.OSRelease["ID"]},
		{"system_platform", "linux"},
	} {
		v1[v[0]] = v[1]
	}
	if region, ok := inst.MetaData["region"].(string); ok {
		v1["region"] = region
	}
	for _, key := range []string{"availability_zone", "availability-zone"} {
		if zone, ok := inst.MetaData[key].(string); ok {
			v1["availability_zone"] = zone
		}
	}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		v1["kernel_release"] = unix.ByteSliceToString(name.Release[:])
		v1["machine"] = unix.ByteSliceToString(name.Machine[:])
	}
	return jinja.Variables(map[string]any{
		"v1": v1, "ds": map[string]any{"meta_data": inst.MetaData},
		"userdata": string(inst.UserData), "vendordata": string(inst.VendorData),
	})
}
