// Mutate draws mutants of the project's packages and says which unit test
// notices each. A mutant that none notices is code that the tests do not hold:
// a test is missing, or the change makes no difference.
//
// Synopsis:
//
//	mutate [-n COUNT] [-seed SEED] PACKAGE...
//	mutate -list PACKAGE...
//
// A package is a directory, "./injector". Where code can be changed is what
// gremlins finds (github.com/go-gremlins/gremlins), whether a test reaches it
// or not. From all of that, COUNT mutants are drawn: the same for the same
// source and seed. One that does not compile is left out for the next. The
// tests are those of "make unit" that have the package in them: the package's
// own first, up to the first that fails.
//
// The code that runs is wrong code. As root, it gets namespaces of its own, in
// which all but temporary files and Go's cache are read-only; for everybody, a
// process has at most 4 GiB of address space.
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// addressSpace bounds a mutant that allocates without end.
const addressSpace = 4 << 30

func main() {
	n := flag.Int("n", 20, "how many mutants are drawn")
	seed := flag.Uint64("seed", rand.Uint64(), "draws the same mutants again")
	list := flag.Bool("list", false, "print all mutants and test none")
	flag.Parse()
	if flag.NArg() == 0 || *n < 1 {
		fmt.Fprintln(os.Stderr, "usage: mutate [-n COUNT] [-seed SEED] PACKAGE...\n       mutate -list PACKAGE...")
		os.Exit(2)
	}
	if err := run(flag.Args(), *n, *seed, *list); err != nil {
		fmt.Fprintf(os.Stderr, "mutate: %v\n", err)
		os.Exit(1)
	}
}

func run(packages []string, n int, seed uint64, list bool) error {
	work, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	limit := unix.Rlimit{Cur: addressSpace, Max: addressSpace}
	if err := unix.Setrlimit(unix.RLIMIT_AS, &limit); err != nil {
		return fmt.Errorf("limit the memory of the tests: %w", err)
	}

	var mutants []mutant
	for i, dir := range packages {
		packages[i] = filepath.Clean(dir)
		found, err := find(packages[i], work)
		if err != nil {
			return err
		}
		mutants = append(mutants, found...)
	}
	if list {
		for _, m := range mutants {
			fmt.Println(m)
		}
		return nil
	}

	tests, err := newTester(packages, work, os.Geteuid() == 0)
	if err != nil {
		return err
	}
	fmt.Printf("%d of %d mutants, drawn with -seed %d\n", n, len(mutants), seed)
	drawn, survived := 0, 0
	for _, i := range rand.New(rand.NewPCG(seed, 0)).Perm(len(mutants)) {
		if drawn == n {
			break
		}
		verdict, err := tests.try(mutants[i])
		if err != nil {
			return fmt.Errorf("%s: %w", mutants[i], err)
		}
		if verdict == notViable {
			continue
		}
		drawn++
		if verdict == noticedByNone {
			survived++
		}
		fmt.Printf("%-60s %s\n", mutants[i], verdict)
	}
	fmt.Printf("%d of %d were noticed\n", drawn-survived, drawn)
	return nil
}
