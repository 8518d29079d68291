package agent

import (
	"encoding/hex"
	"fmt"

	"boothook/initramfs/report"
	"boothook/initramfs/words"
	"boothook/injector"
	"boothook/injector/digest"
	"boothook/injector/hooks"
	"boothook/netboot"
)

// used notes which NIC led to the source, and what it was asked.
func (b *boot) used(found *netboot.Found) {
	stats := found.Client.Stats()
	b.record.Change(func(r *report.Report) {
		for i := range r.Network {
			n := &r.Network[i]
			n.Used = n.Name == found.Lease.Name && n.MAC == found.Lease.HW.String()
		}
		r.Fetch = &report.Fetch{Requests: int(stats.Requests), Connections: int(stats.Connections)}
	})
}

// learn takes the injector's result into the report.
func (b *boot) learn(result injector.Result) {
	b.record.Mark("root customized")
	b.record.Problem(result.Outcome.Problems...)
	b.record.Problem(optionsTooLate(b.env.Sysfs, result.Plan.Steps)...)
	b.record.Change(func(r *report.Report) {
		r.InstanceID, r.Hostname = result.Instance.ID, result.Hostname
		r.NewInstance = result.Outcome.NewInstance
		if result.Instance.Source != "" {
			r.Source = result.Instance.Source
		}
		r.Result = b.verdict(&result)
		for _, p := range result.Parts {
			sum := digest.SHA256(p.Body)
			part := report.Part{Index: p.Index, Name: p.Name, Type: p.Type, Origin: p.Origin,
				Size: len(p.Body), SHA256: hex.EncodeToString(sum[:])}
			if p.Err != nil {
				part.Error = p.Err.Error()
			}
			r.Parts = append(r.Parts, part)
		}
		for _, h := range result.Hooks {
			r.Hooks = append(r.Hooks, hookReport(h))
		}
		for i, done := range result.Steps {
			s := result.Plan.Steps[i]
			r.Steps = append(r.Steps, report.Step{Kind: string(s.Kind), Path: s.Path,
				Result: string(done.Status), Part: s.Why.Part, Key: s.Why.Key})
		}
	})
	if result.Outcome.Applied && !b.env.ByHand {
		b.tellMachine(result)
	}
}

// verdict is a result in one word.
func (b *boot) verdict(result *injector.Result) report.Result {
	switch {
	case b.options.Mode == words.DryRun:
		return report.DryRun
	case !result.Outcome.Applied:
		return report.Failed
	case result.Decision.PerInstance:
		return report.Applied
	}
	return report.Known
}

func hookReport(h hooks.Result) report.Hook {
	return report.Hook{Name: h.Name, Exit: h.Status, Seconds: h.Duration.Seconds(),
		TimedOut: h.TimedOut, Signal: h.Signal, Left: h.Left, Error: h.Error, Notes: h.Notes}
}

// tellMachine does what only a running machine can be told: its name, so
// that even what reads it before /etc/hostname does has the right one, a seed
// for its random numbers, and, on the console alone, passwords that nobody
// else knows.
func (b *boot) tellMachine(result injector.Result) {
	if result.Hostname != "" {
		if err := b.env.Machine.SetHostname(result.Hostname); err != nil {
			b.log.Warnf("set the kernel's hostname: %v", err)
		}
	}
	if len(result.RandomSeed) > 0 {
		if err := b.env.Machine.SeedRandom(result.RandomSeed); err != nil {
			b.log.Warnf("seed the kernel's random numbers: %v", err)
		}
	}
	if len(result.RandomPasswords) == 0 {
		return
	}
	console, err := b.env.Machine.Console()
	if err != nil {
		b.log.Errorf("random passwords were set, and there is no console to show them on: %v", err)
		return
	}
	defer console.Close()
	for _, p := range result.RandomPasswords {
		fmt.Fprintf(console, "boothook: password of %s: %s\r\n", p.User, p.Password)
	}
}
