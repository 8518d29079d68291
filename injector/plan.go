package injector

import (
	"errors"
	"fmt"
	"slices"
	"sort"

	"golang.org/x/sys/unix"

	"boothook/injector/cloudconfig"
	"boothook/injector/jobs"
	"boothook/injector/plan"
	"boothook/injector/state"
	"boothook/injector/userdata"
)

// Planning is what a plan is made from.
type planning struct {
	*identity
	docs  *decoded
	parts parts // those that no part handler took
	facts *plan.Facts
	keys  *hostKeys
	// services is what the units and scripts of services are read from.
	services jobs.Reader
	// volatile says that nothing in the root outlasts the boot.
	volatile bool
	*Options
}

// A planned value is a plan and what comes with it.
type planned struct {
	plan            plan.Plan
	hint, hostname  string
	randomPasswords []cloudconfig.RandomPassword
	randomSeed      []byte
	problems        problems
}

// makePlan makes the plan: parts and facts in, steps out.
func makePlan(in *planning) (*planned, error) {
	d := &in.decision
	dir := state.InstanceDir(d.ID)
	asked := cloudconfig.Plan(cloudconfig.Context{
		Instance: *in.instance, Facts: *in.facts, NewInstance: d.New,
		InstanceDir: dir, HostKey: in.keys.pair, Rand: kernelRandom{}, Memory: in.memory(),
	}, in.docs.config)
	late := jobs.Plan(jobs.Context{
		Facts: *in.facts, InstanceDir: dir, DisableCloudInit: !in.KeepCloudInit,
		VendorPrefix: vendorPrefix(in.docs.config), Services: asked.Services, Planned: asked.Steps, Root: in.services,
	}, in.parts[user], slices.Concat(in.parts[vendor], in.parts[vendor2]))
	net := planNetwork(in.instance, in.facts, in.Options)

	content := in.content()
	out := &planned{hint: content.Hint(), randomPasswords: asked.RandomPasswords}
	for _, found := range []problems{in.keys.problems, asked.Problems, late.Problems, net.Problems} {
		out.problems.add(found...)
	}
	if d.PerInstance {
		out.randomSeed = asked.RandomSeed
	}
	steps := slices.Concat(net.Steps, asked.Steps, late.Steps, in.docs.documents.cacheSteps(dir))
	machineID, err := state.NewMachineID()
	if err != nil {
		return out, err
	}
	finish, err := state.Finish(d, in.known, content)
	if err != nil {
		return out, err
	}
	keepKeys := !in.docs.config.Get("ssh_deletekeys").Truth(true)
	steps = slices.Concat(state.Layout(d, content), state.Renew(d, in.known, keepKeys, machineID, steps), steps, finish)
	due, conflicts := plan.Normalize(plan.Plan{Version: plan.Version, InstanceID: d.ID, Steps: d.Select(steps)})
	out.plan, out.hostname = due, hostname(steps)
	out.problems.add(conflicts...)
	return out, nil
}

// content is what the root keeps of the instance.
func (in *planning) content() *state.Content {
	docs := &in.docs.documents
	return &state.Content{
		Instance:         *in.instance,
		Processed:        userdata.Flat(docs[user].Parts),
		VendorProcessed:  docs[vendor].flat(),
		Vendor2Processed: docs[vendor2].flat(),
		CloudConfig:      in.docs.config.Document(),
		// A volatile root has all of it to do on every boot.
		Hooks: len(hooksOf(&in.parts, in.docs.config)) > 0 || slices.ContainsFunc(in.parts.all(), isHandler) || in.volatile,
		Base:  in.docs.base,
	}
}

// flat is the processed form of a vendor's document, if there is one.
func (d *document) flat() []byte {
	if len(d.body) == 0 {
		return nil
	}
	return userdata.Flat(d.Parts)
}

// memory is the machine's, unless the root is another one's.
func (o *Options) memory() int64 {
	var info unix.Sysinfo_t
	if o.NoHooks || unix.Sysinfo(&info) != nil {
		return 0
	}
	return int64(info.Totalram) * int64(info.Unit)
}

// cacheSteps keep what #include-once fetched, so that it is not asked again
// in this instance's life.
func (d *documents) cacheSteps(instanceDir string) []plan.Step {
	var steps []plan.Step
	for i := range d {
		for url, body := range d[i].fetchedOnce {
			steps = append(steps, plan.Step{Kind: plan.File, Path: cachePath(instanceDir, url), Body: body,
				Mode: 0o600, Secret: true, Frequency: plan.PerBoot, Why: plan.Why{Part: d[i].origin, Key: "#include-once"}})
		}
	}
	sort.Slice(steps, func(i, j int) bool { return steps[i].Path < steps[j].Path })
	return steps
}

// hostname is the name that the last hostname step gives.
func hostname(steps []plan.Step) string {
	for _, s := range slices.Backward(steps) {
		if s.Kind == plan.Hostname {
			return string(s.Body)
		}
	}
	return ""
}

// kernelRandom reads the kernel's random numbers, once they are good.
// crypto/rand gives the same, for a hundred kilobytes of the agent.
type kernelRandom struct{}

func (kernelRandom) Read(b []byte) (int, error) {
	for n := 0; n < len(b); {
		got, err := unix.Getrandom(b[n:], 0)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return n, fmt.Errorf("getrandom: %w", err)
		}
		n += max(got, 0)
	}
	return len(b), nil
}
