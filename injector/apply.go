package injector

import (
	"context"
	"fmt"

	"boothook/injector/plan"
	"boothook/injector/root"
)

// An applier writes a plan, or says what it would change.
type applier interface {
	Apply(ctx context.Context, p plan.Plan, o root.Options) (root.Result, error)
	Changes(ctx context.Context, p plan.Plan, o root.Options) ([]plan.Change, root.Result, error)
}

// An applied value is what became of a plan.
type applied struct {
	steps    []root.StepResult
	changes  []plan.Change // of a dry run
	problems problems
}

// apply writes what is due, or in a dry run says what that would be.
func apply(ctx context.Context, r applier, due plan.Plan, o *Options) (applied, error) {
	if o.DryRun {
		changes, done, err := r.Changes(ctx, due, o.Apply)
		return applied{done.Steps, changes, done.Problems}, err
	}
	done, err := r.Apply(ctx, due, o.Apply)
	if err != nil {
		err = fmt.Errorf("apply the plan: %w", err)
	}
	return applied{steps: done.Steps, problems: done.Problems}, err
}
