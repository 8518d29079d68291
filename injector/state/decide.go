package state

import (
	"strings"

	"boothook/injector/plan"
	"boothook/netboot/instance"
)

// Again says when what is due once per instance is due again.
type Again string

const (
	// AgainInstance is the default: for a new instance.
	AgainInstance Again = "instance"
	// AgainBoot makes everything due on every boot.
	AgainBoot Again = "boot"
)

// A Decision says what is due in a root for an instance. Its zero value, that
// of an instance nobody could name, has nothing due.
type Decision struct {
	// ID is the instance's id in the form that names its directory.
	ID string `json:"instance_id"`
	// New says that the root has not been this instance before.
	New bool `json:"new"`
	// Changed says that the root was another instance before: a cloned or
	// re-bundled image.
	Changed bool `json:"changed"`
	// PerInstance says that what runs once per instance is due.
	PerInstance bool `json:"per_instance"`
	// Unfinished says that an earlier boot began with this instance and did
	// not come to its end.
	Unfinished bool `json:"unfinished"`

	// Problems are what the comparison found odd.
	Problems []instance.Problem `json:"problems,omitempty"`

	once  map[string]bool
	again bool
}

// Decide compares what the root knows with the instance that a source has
// given. An unusable id gives an error and nothing due.
func Decide(k *Known, id string, again Again) (*Decision, error) {
	safe, err := SafeID(id)
	if err != nil {
		return nil, err
	}
	d := &Decision{ID: safe, New: k.ID != safe, once: k.Once, again: again == AgainBoot}
	before := k.ID
	if before == "" && k.Record != nil {
		before = safeOrEmpty(k.Record.Instance.ID)
	}
	d.Changed = d.New && before != "" && before != safe
	d.Unfinished = !d.New && !k.finished(safe) && !k.ByCloudInit
	d.PerInstance = d.New || d.Unfinished || d.again
	if d.New && !d.Changed && k.MachineID != "" {
		d.Problems = append(d.Problems, instance.Problem{
			Origin: machineIDPath, Warning: true,
			Message: "kept, although the root was no instance before; in an image this file should be empty, or all its machines share one id",
		})
	}
	return d, nil
}

// Due says whether a step is due: always when it is for every boot, and for
// Once as long as its semaphore is not there.
func (d *Decision) Due(s *plan.Step) bool {
	if d.ID == "" {
		return false
	}
	switch s.Frequency {
	case plan.PerBoot:
		return true
	case plan.Once:
		return d.again || !d.once[onceName(s)]
	}
	return d.PerInstance
}

// Select gives the steps that are due, in their order, followed by the
// semaphores of those that are due once in the root's life.
func (d *Decision) Select(steps []plan.Step) []plan.Step {
	var due, sems stepList
	seen := map[string]bool{}
	for i := range steps {
		s := &steps[i]
		if !d.Due(s) {
			continue
		}
		due = append(due, *s)
		if name := onceName(s); s.Frequency == plan.Once && !seen[name] {
			seen[name] = true
			sems.sem(OnceSem(name)).Why = s.Why
		}
	}
	return append(due, sems...)
}

// onceName names the semaphore of a Once step: config_KEY for one that a
// cloud-config key asked for, as cloud-init names it, or part_NAME.
func onceName(s *plan.Step) string {
	name := "part_" + s.Why.Part
	if s.Why.Key != "" {
		name = "config_" + s.Why.Key
	}
	clean, err := FileName(strings.ReplaceAll(name, "-", "_"))
	if err != nil { // longer than a file name: the beginning has to do
		clean = clean255(name)
	}
	return clean
}

// clean255 cuts a name so that, cleaned and with ".once", it is a file name.
func clean255(name string) string {
	clean, _ := FileName(name[:min(len(name), 200)])
	return clean
}
