package injector

import (
	"context"
	"fmt"
	"slices"

	"boothook/injector/cloudconfig"
	"boothook/injector/hooks"
	"boothook/injector/userdata"
	"boothook/netboot/instance"
)

// A HookRunner runs hooks in a root, one after the other, and gives a result
// for each.
type HookRunner interface {
	Run(ctx context.Context, c hooks.Config, list []hooks.Hook) []hooks.Result
}

// A sandbox is the HookRunner of package hooks, with namespaces of its own.
type sandbox struct{}

func (sandbox) Run(ctx context.Context, c hooks.Config, list []hooks.Hook) []hooks.Result {
	return hooks.Run(ctx, c, list)
}

// A hooked value is what the hooks have left.
type hooked struct {
	// parts are those that no part handler took.
	parts    parts
	results  []hooks.Result
	problems problems
}

// runHooks runs what runs before the plan, on every boot: part handlers, which
// may take parts from everybody behind them, boothooks in their order, and
// bootcmd.
func runHooks(ctx context.Context, rootDir string, who *identity, docs *decoded, o *Options) *hooked {
	out := &hooked{parts: docs.parts}
	count := len(hooksOf(&docs.parts, docs.config))
	for _, list := range docs.parts {
		if _, any := hooks.FromPartHandlers(list, false); any {
			count++
		}
	}
	if o.NoHooks && count > 0 {
		out.problems.warn(fmt.Sprintf("%d hooks are left to the boot", count))
	}
	if o.NoHooks || o.DryRun || count == 0 {
		return out
	}
	o.begin("running hooks", hooks.Budget(count, o.HookTimeout))
	config := hooks.Config{Root: rootDir, InstanceID: who.instance.ID, ResolvConf: o.ResolvConf,
		Timeout: o.HookTimeout, Output: o.HookOutput}
	runList := func(list []hooks.Hook) []hooks.Result {
		results := o.Hooks.Run(ctx, config, list)
		for _, r := range results {
			out.problems.add(r.Problems()...)
		}
		out.results = append(out.results, results...)
		return results
	}
	for i, list := range docs.parts {
		if handlers, any := hooks.FromPartHandlers(list, who.decision.PerInstance); any {
			results := runList([]hooks.Hook{handlers})
			left, found := untaken(list, results[0].Taken)
			out.parts[i] = left
			out.problems.add(found...)
		}
	}
	runList(hooksOf(&out.parts, docs.config))
	return out
}

// hooksOf lists the boothooks among the parts, and bootcmd.
func hooksOf(p *parts, cfg cloudconfig.Config) []hooks.Hook {
	var list []hooks.Hook
	for _, part := range p.all() {
		if part.Type == userdata.TypeBoothook && part.Err == nil {
			list = append(list, hooks.FromPart(part))
		}
	}
	if script := cloudconfig.Bootcmd(cfg); len(script) > 0 {
		list = append(list, hooks.Hook{Kind: hooks.Bootcmd, Name: "bootcmd", Body: script})
	}
	return list
}

// untaken leaves out the parts with these indexes, which part handlers have
// dealt with. The decoder leaves it to the handlers to know any type; what none
// of them took and nobody else knows is a problem.
func untaken(list []userdata.Part, taken []int) (left []userdata.Part, found problems) {
	for _, p := range list {
		if slices.Contains(taken, p.Index) {
			continue
		}
		if p.Err == nil && !slices.Contains(handledTypes(), p.Type) {
			found.add(instance.Problem{Origin: p.Origin, Part: p.Name,
				Message: "no part handler took this part of type " + p.Type})
		}
		left = append(left, p)
	}
	return left, found
}

// handledTypes are the types of which something becomes without a handler.
func handledTypes() []string {
	return []string{
		userdata.TypeCloudConfig, userdata.TypeCloudConfigJSONP, userdata.TypeBoothook, userdata.TypePartHandler,
		userdata.TypeScript, userdata.TypeScriptPerBoot, userdata.TypeScriptPerInstance, userdata.TypeScriptPerOnce,
		userdata.TypeUpstartJob,
	}
}

// isHandler says whether a part handles others, on every boot.
func isHandler(p userdata.Part) bool { return p.Type == userdata.TypePartHandler && p.Err == nil }
