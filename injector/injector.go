// Package injector is what happens to a root: the story that its sub-packages
// are the rooms of.
//
// In goes an instance, already fetched, and an open root; out comes a Result
// that says what was decided, run, planned and written. Hooks run first, then
// the facts are read, then the plan is made, then it is applied: a hook's
// useradd is never overwritten. It knows nothing of networks but a Getter for
// what user-data includes.
package injector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"boothook/injector/cloudconfig"
	"boothook/injector/hooks"
	"boothook/injector/jobs"
	"boothook/injector/network"
	"boothook/injector/plan"
	"boothook/injector/root"
	"boothook/injector/state"
	"boothook/injector/userdata"
	"boothook/netboot/instance"
)

// ApplyTime is what applying a plan may take before whoever waits for it
// should give up: generating host keys and writing some hundred megabytes on
// a slow disk.
const ApplyTime = 5 * time.Minute

// ErrNothing says that there is neither a fetched instance nor a stored one.
var ErrNothing = errors.New("no instance data, neither fetched nor stored")

// ErrUnsigned says that user-data came without the signature that is required.
// Nothing is done with the instance then, so that a later boot can.
var ErrUnsigned = errors.New("refused: boothook.verify=require accepts only signed user-data, and it is not signed")

// Options say how a root is to be worked on.
type Options struct {
	// HookTimeout is the time of one hook; zero stands for the default.
	HookTimeout time.Duration
	// NoHooks leaves hooks to the boot; for images that are not booted now.
	NoHooks bool
	// DryRun decodes and plans, but neither runs hooks nor writes.
	DryRun bool
	// AgainEachBoot makes everything due on every boot.
	AgainEachBoot bool
	// RequireSigned refuses all user-data that is not signed, which, until
	// signatures exist, is all of it.
	RequireSigned bool
	// KeepCloudInit leaves a cloud-init in the root as it is.
	KeepCloudInit bool
	// Init is the init that the kernel command line asks for; jobs are for it
	// if it is one of a known kind. Empty stands for /sbin/init.
	Init string
	// CloudConfig is YAML that lies below user-data and above the root's own.
	CloudConfig string
	// NetworkConfig is network-config= of the kernel command line: base64
	// of YAML, gzipped or not, or "disabled".
	NetworkConfig string
	// FallbackNetwork is the network-config of a root whose cloud-init is
	// disabled and would have made one up.
	FallbackNetwork []byte
	// HardwareIDs are what the machine is known by offline; see instance.Instance.
	// There is one for each source that was asked.
	HardwareIDs []string
	// ResolvConf is the resolver that hooks see; empty leaves the root's.
	ResolvConf []byte
	// HookOutput gets what hooks print.
	HookOutput io.Writer
	// Get fetches what is included only once and not yet kept.
	Get Getter
	// Stage is told what begins and how long it may take; nil is fine.
	Stage func(stage string, within time.Duration)
	// NewHostKey makes SSH host keys; nil leaves it to the root's own
	// ssh-keygen.
	NewHostKey KeyMaker
	// Apply is how the plan is written.
	Apply root.Options
}

// A Result is what became of one root.
type Result struct {
	Instance instance.Instance
	Decision state.Decision
	Outcome  instance.Outcome
	Parts    []userdata.Part
	Hooks    []hooks.Result
	// Plan holds the steps that were due, Steps what became of each.
	Plan  plan.Plan
	Steps []root.StepResult
	// Hint is what may be remembered outside the root: see state.Hint. Empty
	// where the instance's source is to be asked on every boot.
	Hint string
	// Changes is what would be written; for a dry run only.
	Changes []plan.Change
	// Hostname is the name that the plan gives the machine; may be empty.
	Hostname string
	// RandomPasswords are for the serial console only.
	RandomPasswords []cloudconfig.RandomPassword
	// RandomSeed is for the kernel's random pool.
	RandomSeed []byte
}

// A work is one injection under way.
type work struct {
	Options
	root     *root.Root
	prepared *Prepared
	known    *state.Known
	base     string // the fingerprint of what lies below user-data
	cfg      cloudconfig.Config
	parts    sortedParts
	result   Result
}

// Inject does to the root what the instance asks for. Without a prepared
// instance (nil) it goes back to the one stored in the root, if that is this
// machine's, and says so. Whatever goes wrong is in the Result's Outcome.
func Inject(ctx context.Context, r *root.Root, p *Prepared, o Options) Result {
	w := &work{Options: o, root: r, prepared: p}
	if err := w.run(ctx); err != nil {
		w.problem(instance.Problem{Origin: "boothook", Message: err.Error()})
	} else {
		w.result.Outcome.Applied = !o.DryRun
	}
	return w.result
}

func (w *work) run(ctx context.Context) error {
	w.stage("reading the root", ApplyTime)
	if err := w.root.MountFor([]string{state.CloudDir, state.OwnDir}); err != nil {
		return fmt.Errorf("reach the root's state: %w", err)
	}
	if nature := w.root.Nature(); nature != "" {
		w.warn(nature)
	}
	if err := w.recover(ctx); err != nil {
		return err
	}
	if err := w.recognise(); err != nil {
		return err
	}
	if w.RequireSigned && w.prepared.hasUserData() {
		return ErrUnsigned
	}
	base, err := w.root.Facts()
	if err != nil {
		return fmt.Errorf("read facts: %w", err)
	}
	w.decode(ctx, &base)
	w.runHooks(ctx)
	w.stage("planning and applying", ApplyTime)
	if err := w.plan(ctx); err != nil {
		return err
	}
	return w.apply(ctx)
}

// recover finishes what a boot before this one could not.
func (w *work) recover(ctx context.Context) error {
	if w.DryRun {
		return nil
	}
	found, err := w.root.Recover(ctx)
	if err != nil {
		return fmt.Errorf("finish an earlier boot's work: %w", err)
	}
	if found.Found {
		what := "was undone: it had changed nothing yet"
		if found.Finished {
			what = "is finished now"
		}
		w.warn(fmt.Sprintf("the work of an earlier boot was cut short and %s", what))
		if found.LeftOver != "" {
			w.warn("not all that it had staged could be taken away: " + found.LeftOver)
		}
	}
	return nil
}

// recognise decides who the machine is and what is due.
func (w *work) recognise() error {
	w.known = state.Read(w.root)
	w.problem(w.known.Problems...)
	stored, ok := w.known.Stored()
	silent := w.prepared == nil
	if silent && (!ok || !slices.ContainsFunc(w.HardwareIDs, w.known.Applied)) {
		return ErrNothing
	}
	if silent {
		w.warn("the source did not answer, so the data stored in the root are used")
	}
	if silent || ok && w.prepared.instance.Partial && w.prepared.instance.ID == stored.ID {
		p := Prepare(context.Background(), stored, nil)
		p.recall(w.known.Processed())
		w.prepared = p
	}
	again := state.AgainInstance
	if w.AgainEachBoot || len(w.root.Volatile()) > 0 {
		again = state.AgainBoot
	}
	w.result.Instance = w.prepared.instance
	d, err := state.Decide(w.known, w.prepared.instance.ID, again)
	if err != nil {
		return err
	}
	w.result.Decision, w.result.Outcome.NewInstance = *d, d.New
	w.problem(d.Problems...)
	return nil
}

// decode finishes the documents and lays the cloud-config together.
func (w *work) decode(ctx context.Context, facts *plan.Facts) {
	w.prepared.finish(ctx, w.root, state.InstanceDir(w.result.Decision.ID), w.Get)
	for _, d := range w.prepared.documents() {
		w.problem(d.Problems...)
		w.result.Parts = append(w.result.Parts, d.Parts...)
	}
	base := w.below(facts)
	w.base = state.Base(base)
	var problems []instance.Problem
	w.parts, problems = sortParts(w.prepared, variables(&w.prepared.instance, facts))
	w.problem(problems...)
	w.cfg, problems = cloudconfig.Merge(w.parts.user, w.parts.vendor, w.parts.vendor2, base)
	w.problem(problems...)
	w.parts.obey(w.cfg)
}

// below gives the cloud-config that lies below user-data, lowest first.
func (o *Options) below(facts *plan.Facts) []plan.Document {
	base := slices.Clone(facts.CloudConfig)
	if o.CloudConfig != "" {
		base = append(base, plan.Document{Path: "kernel command line", Body: []byte(o.CloudConfig)})
	}
	return base
}

// runHooks runs what runs before the plan, on every boot: part handlers, which
// may take parts from everybody behind them, boothooks in their order, and
// bootcmd.
func (w *work) runHooks(ctx context.Context) {
	count := len(w.hooks())
	for _, parts := range w.parts.lists() {
		if _, any := hooks.FromPartHandlers(*parts, false); any {
			count++
		}
	}
	if w.NoHooks && count > 0 {
		w.warn(fmt.Sprintf("%d hooks are left to the boot", count))
	}
	if w.NoHooks || w.DryRun || count == 0 {
		return
	}
	w.stage("running hooks", hooks.Budget(count, w.HookTimeout))
	for _, parts := range w.parts.lists() {
		if handlers, any := hooks.FromPartHandlers(*parts, w.result.Decision.PerInstance); any {
			results := w.runList(ctx, []hooks.Hook{handlers})
			w.problem(take(parts, results[0].Taken)...)
		}
	}
	w.runList(ctx, w.hooks())
}

func (w *work) runList(ctx context.Context, list []hooks.Hook) []hooks.Result {
	results := hooks.Run(ctx, hooks.Config{
		Root: w.root.Path(), InstanceID: w.prepared.instance.ID, ResolvConf: w.ResolvConf,
		Timeout: w.HookTimeout, Output: w.HookOutput,
	}, list)
	for _, r := range results {
		w.problem(r.Problems()...)
	}
	w.result.Hooks = append(w.result.Hooks, results...)
	return results
}

func (w *work) hooks() []hooks.Hook {
	var list []hooks.Hook
	for _, part := range w.parts.all() {
		if part.Type == userdata.TypeBoothook && part.Err == nil {
			list = append(list, hooks.FromPart(part))
		}
	}
	if script := cloudconfig.Bootcmd(w.cfg); len(script) > 0 {
		list = append(list, hooks.Hook{Kind: hooks.Bootcmd, Name: "bootcmd", Body: script})
	}
	return list
}

// plan makes the plan: parts and facts in, steps out.
func (w *work) plan(ctx context.Context) error {
	facts, err := w.root.Facts(slices.Concat(cloudconfig.AskExists(), network.AskExists())...)
	if err != nil {
		return fmt.Errorf("read facts: %w", err)
	}
	if init := w.root.InitOf(w.Init); w.Init != "" && init != plan.UnknownInit {
		facts.Init = init // another, such as a shell, is for a repair
	}
	d := &w.result.Decision
	dir := state.InstanceDir(d.ID)
	asked := cloudconfig.Plan(cloudconfig.Context{
		Instance: w.prepared.instance, Facts: facts, NewInstance: d.New,
		InstanceDir: dir, HostKey: w.hostKey(ctx), Rand: randomness{}, Memory: w.memory(),
	}, w.cfg)
	late := jobs.Plan(jobs.Context{
		Facts: facts, InstanceDir: dir, DisableCloudInit: !w.KeepCloudInit,
		VendorPrefix: w.parts.prefix, Wishes: asked.Services, Planned: asked.Steps, Root: w.root,
	}, w.parts.user, slices.Concat(w.parts.vendor, w.parts.vendor2))
	w.problem(asked.Problems...)
	w.problem(late.Problems...)
	w.result.RandomPasswords = asked.RandomPasswords
	if d.PerInstance {
		w.result.RandomSeed = asked.RandomSeed
	}

	content := w.content()
	w.result.Hint = content.Hint()
	steps := slices.Concat(w.network(&facts), asked.Steps, late.Steps, w.prepared.cacheSteps(dir))
	machineID, err := state.NewMachineID()
	if err != nil {
		return err
	}
	finish, err := state.Finish(d, w.known, content)
	if err != nil {
		return err
	}
	keepKeys := !w.cfg.Get("ssh_deletekeys").Truth(true)
	steps = slices.Concat(state.Layout(d, content), state.Renew(d, w.known, keepKeys, machineID, steps), steps, finish)
	due := plan.Plan{Version: plan.Version, InstanceID: d.ID, Steps: d.Select(steps)}
	due, conflicts := plan.Normalize(due)
	w.problem(conflicts...)
	w.result.Plan = due
	w.result.Hostname = hostname(steps)
	return nil
}

// memory is the machine's, unless the root is another one's.
func (w *work) memory() int64 {
	var info unix.Sysinfo_t
	if w.NoHooks || unix.Sysinfo(&info) != nil {
		return 0
	}
	return int64(info.Totalram) * int64(info.Unit)
}

// content is what the root keeps of the instance.
func (w *work) content() *state.Content {
	return &state.Content{
		Instance:         w.prepared.instance,
		Processed:        userdata.Flat(w.prepared.user.Parts),
		VendorProcessed:  flat(w.prepared.vendor),
		Vendor2Processed: flat(w.prepared.vendor2),
		CloudConfig:      w.cfg.Document(),
		// A volatile root has all of it to do on every boot.
		Hooks: len(w.hooks()) > 0 || slices.ContainsFunc(w.parts.all(), isHandler) || len(w.root.Volatile()) > 0,
		Base:  w.base,
	}
}

// flat is the processed form of a vendor's document, if there is one.
func flat(d document) []byte {
	if len(d.body) == 0 {
		return nil
	}
	return userdata.Flat(d.Parts)
}

// apply writes what is due, or says what it would be.
func (w *work) apply(ctx context.Context) error {
	if w.DryRun {
		changes, done, err := w.root.Changes(ctx, w.result.Plan, w.Apply)
		w.result.Changes, w.result.Steps = changes, done.Steps
		w.problem(done.Problems...)
		return err
	}
	done, err := w.root.Apply(ctx, w.result.Plan, w.Apply)
	w.result.Steps = done.Steps
	w.problem(done.Problems...)
	if err != nil {
		return fmt.Errorf("apply the plan: %w", err)
	}
	return nil
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

func (w *work) stage(name string, within time.Duration) {
	if w.Stage != nil {
		w.Stage(name, within)
	}
}

func (w *work) problem(p ...instance.Problem) {
	w.result.Outcome.Problems = append(w.result.Outcome.Problems, p...)
}

func (w *work) warn(message string) {
	w.problem(instance.Problem{Origin: "boothook", Message: message, Warning: true})
}

// randomness is the kernel's, once it is good. crypto/rand gives the same, for
// a hundred kilobytes of the agent.
type randomness struct{}

func (randomness) Read(b []byte) (int, error) {
	for n := 0; n < len(b); {
		got, err := unix.Getrandom(b[n:], 0)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return n, fmt.Errorf("getrandom: %w", err)
		}
		n += max(got, 0)
	}
	return len(b), nil
}
