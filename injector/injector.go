// Package injector is what happens to a root: Inject tells it, and the
// sub-packages do it.
//
// In goes an instance, already fetched, and an open root; out comes a Result
// that says what was decided, run, planned and written. Between them is a
// pipeline of stages, each with a file of its own, that hand values on and
// change nothing they were given:
//
//	identify  is this machine the one that the root was customized for, which
//	          instance is it now, and what is due?
//	decode    documents to parts and the merged cloud-config
//	hooks     part handlers, boothooks and bootcmd run in the root
//	facts     what the root is like, after the hooks
//	plan      parts and facts to steps
//	apply     steps to files
//
// Hooks run before the facts are read, so that a hook's useradd is never
// overwritten. Each stage gets of the root only the small interface that it
// needs. The package knows nothing of networks but a Getter for what user-data
// includes.
package injector

import (
	"context"
	"errors"
	"io"
	"time"

	"boothook/injector/cloudconfig"
	"boothook/injector/hooks"
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

// Options say how a root is to be worked on.
type Options struct {
	// Hooks runs hooks; nil runs them in namespaces of their own, as package
	// hooks does.
	Hooks HookRunner
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
	// Renderer is what network-config is written for, by cloud-init's name or
	// the daemon's; empty for what the root has.
	Renderer string
	// FallbackNIC is the interface that gets DHCP in a root whose cloud-init
	// is disabled and would have done that.
	FallbackNIC network.NIC
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

// Inject does to the root what the instance asks for. Without a prepared
// instance (nil) it goes back to the one stored in the root, if that is this
// machine's, and says so. Whatever goes wrong is in the Result's Outcome.
func Inject(ctx context.Context, r *root.Root, p *Prepared, o Options) Result {
	if o.Hooks == nil {
		o.Hooks = sandbox{}
	}
	result, err := inject(ctx, r, p, &o)
	if err != nil {
		result.note(problems{{Origin: "boothook", Message: err.Error()}})
	}
	result.Outcome.Applied = err == nil && !o.DryRun
	return *result
}

// inject is the story of a root, stage by stage. With an error the result is
// what there was until then.
func inject(ctx context.Context, r *root.Root, p *Prepared, o *Options) (*Result, error) {
	result := &Result{}
	o.begin("reading the root", ApplyTime)
	found, err := recoverRoot(ctx, r, o.DryRun)
	result.note(found)
	if err != nil {
		return result, err
	}
	volatile := len(r.Volatile()) > 0
	who, err := identify(r, p, o.HardwareIDs, o.AgainEachBoot || volatile)
	result.note(who.problems)
	result.note(who.instance.Problems)
	result.Instance, result.Decision, result.Outcome.NewInstance = *who.instance, who.decision, who.decision.New
	if err == nil {
		err = checkSigned(who.documents, o.RequireSigned)
	}
	if err != nil {
		return result, err
	}

	before, err := readFacts(r, o.Init)
	if err != nil {
		return result, err
	}
	docs := decode(ctx, r, who, before, o)
	result.note(docs.problems)
	result.Parts = docs.documents.parts()

	ran := runHooks(ctx, r.Path(), who, docs, o)
	result.note(ran.problems)
	result.Hooks = ran.results

	o.begin("planning and applying", ApplyTime)
	facts, err := readFacts(r, o.Init, planPaths()...)
	if err != nil {
		return result, err
	}
	readNetworkFacts(r, facts)
	keys := newHostKeys(ctx, r.Path(), who.instance, docs.config, o)
	due, err := makePlan(&planning{who, docs, ran.parts, facts, keys, r, volatile, o})
	result.note(due.problems)
	result.Plan, result.Hint, result.Hostname = due.plan, due.hint, due.hostname
	result.RandomPasswords, result.RandomSeed = due.randomPasswords, due.randomSeed
	if err != nil {
		return result, err
	}
	done, err := apply(ctx, r, due.plan, o)
	result.note(done.problems)
	result.Steps, result.Changes = done.steps, done.changes
	return result, err
}

// note adds to what the report has to say.
func (r *Result) note(found problems) { (*problems)(&r.Outcome.Problems).add(found...) }

// begin tells whoever waits what begins.
func (o *Options) begin(stage string, within time.Duration) {
	if o.Stage != nil {
		o.Stage(stage, within)
	}
}
