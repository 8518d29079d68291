package cloudconfig

import "boothook/injector/jobs"

// services reads the key "boothook", which is this program's own: lists of
// services to enable, disable and mask, and the target to boot to. cloud-init
// passes over it with a warning. What it comes to under each init is for
// package jobs to say.
func services(b *builder) {
	v := b.cfg.Get("boothook")
	if v.Kind != Map {
		b.fail(v, "boothook must be a mapping, not %v", v.Kind)
	}
	for _, e := range v.Map {
		switch do := e.Key.Text; do {
		case jobs.Enable, jobs.Disable, jobs.Mask, jobs.Target:
			why := e.Value.why("boothook")
			for _, name := range b.strings("boothook: "+do, e.Value) {
				b.result.Services = append(b.result.Services, jobs.ServiceAction{Do: do, Name: name, Why: &why})
			}
		default:
			b.warn(e.Key, "boothook: %q is not known; there are enable, disable, mask and target", do)
		}
	}
}
