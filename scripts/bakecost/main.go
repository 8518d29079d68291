// Bakecost prints what baking an initrd costs beside copying it with cat:
// time, processor time and memory, medians of some runs that take turns, and
// how many bytes are added.
//
// Synopsis:
//
//	bakecost INITRD...
//
// It runs bin/boothook, and writes beside the system's temporary files.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// rounds is how often each is run.
const rounds = 7

// A cost is what one run took.
type cost struct {
	wall, cpu time.Duration
	memory    int64 // KiB, at its most
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: bakecost INITRD...")
		os.Exit(2)
	}
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "bakecost: %v\n", err)
		os.Exit(1)
	}
}

func run(initrds []string) error {
	dir, err := os.MkdirTemp("", "bakecost")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "out")
	fmt.Printf("%-44s %8s %10s %18s %18s %10s %10s\n", "initrd", "MB", "added", "bake: s (cpu)", "cat: s (cpu)", "ratio", "MB memory")
	for _, initrd := range initrds {
		info, err := os.Stat(initrd)
		if err != nil {
			return err
		}
		var bake, cat []cost
		for range rounds {
			for _, c := range []struct {
				to   *[]cost
				line string
			}{{&cat, `cat "$1" >"$2"`}, {&bake, `exec bin/boothook bake --initrd "$1" --out "$2"`}} {
				took, err := measure(exec.Command("sh", "-c", c.line, "sh", initrd, out))
				if err != nil {
					return fmt.Errorf("%s: %w", initrd, err)
				}
				*c.to = append(*c.to, took)
			}
		}
		baked, err := os.Stat(out)
		if err != nil {
			return err
		}
		b, c := median(bake), median(cat)
		fmt.Printf("%-44s %8.1f %10d %9.2f (%5.2f) %9.3f (%5.3f) %9.1fx %10.0f\n", initrd, float64(info.Size())/1e6, baked.Size()-info.Size(),
			b.wall.Seconds(), b.cpu.Seconds(), c.wall.Seconds(), c.cpu.Seconds(), b.cpu.Seconds()/c.cpu.Seconds(), float64(b.memory)/1024)
	}
	fmt.Println("ratio: of processor times, which other work on this machine disturbs least")
	return nil
}

func measure(cmd *exec.Cmd) (cost, error) {
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return cost{}, fmt.Errorf("%w: %s", err, out)
	}
	c := cost{wall: time.Since(start), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		c.memory = usage.Maxrss
	}
	return c, nil
}

// median takes each figure by itself.
func median(all []cost) (m cost) {
	by := func(less func(a, b cost) int) cost {
		slices.SortFunc(all, less)
		return all[len(all)/2]
	}
	m.wall = by(func(a, b cost) int { return int(a.wall - b.wall) }).wall
	m.cpu = by(func(a, b cost) int { return int(a.cpu - b.cpu) }).cpu
	m.memory = by(func(a, b cost) int { return int(a.memory - b.memory) }).memory
	return m
}
