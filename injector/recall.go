package injector

import (
	"slices"

	"boothook/injector/root"
	"boothook/injector/state"
	"boothook/netboot/instance"
)

// Recall looks whether a root is settled: customized as an instance of this
// machine, with no hooks to run and nothing left to do. Then its source need
// not be asked, and mine has the last word on whether the instance is one that
// would be found again. Without such an instance it gives nil. It only reads,
// and looks at no options but those that decide this.
func Recall(r *root.Root, o *Options, mine func(*instance.Instance) bool) *instance.Instance {
	if o.DryRun || o.AgainEachBoot || o.RequireSigned {
		return nil
	}
	if err := r.MountFor([]string{state.CloudDir, state.OwnDir}); err != nil || r.Unfinished() {
		return nil
	}
	facts, err := r.Facts()
	if err != nil {
		return nil
	}
	known, base := state.Read(r), state.Base(configBelow(&facts, o.CloudConfig))
	settled := slices.ContainsFunc(o.HardwareIDs, func(id string) bool { return known.Settled(id, base) })
	if !settled || !mine(&known.Record.Instance) {
		return nil
	}
	return &known.Record.Instance
}
