// Checksbom makes sure that a CycloneDX SBOM names exactly the modules that
// are linked into a program, each with its version and its checksum's origin,
// and takes out of it what differs from one run or machine to the next.
//
// Synopsis:
//
//	checksbom PROGRAM SBOM
//
// The program's own build information (debug/buildinfo) is what counts. The
// SBOM is rewritten in place; the exit status is 1 if it does not fit.
package main

import (
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: checksbom PROGRAM SBOM")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintf(os.Stderr, "checksbom: %v\n", err)
		os.Exit(1)
	}
}

func run(program, file string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var bom map[string]any
	if err := json.Unmarshal(data, &bom); err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	if err := compare(linked(info), named(bom)); err != nil {
		return fmt.Errorf("%s does not fit %s: %w", file, program, err)
	}
	if metadata, ok := bom["metadata"].(map[string]any); ok {
		delete(metadata, "timestamp")
		tools, _ := metadata["tools"].([]any)
		for _, tool := range tools {
			if tool, ok := tool.(map[string]any); ok {
				delete(tool, "hashes") // of the generator as it was built here
			}
		}
	}
	data, err = json.MarshalIndent(bom, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(data, '\n'), 0o644)
}

// linked gives the version of each module in a program, Go's library included.
func linked(info *buildinfo.BuildInfo) map[string]string {
	out := map[string]string{"std": strings.TrimPrefix(info.GoVersion, "go")}
	for _, dep := range info.Deps {
		if dep.Replace != nil {
			dep = dep.Replace
		}
		out[dep.Path] = dep.Version
	}
	return out
}

// named gives the version of each component of an SBOM.
func named(bom map[string]any) map[string]string {
	out := map[string]string{}
	components, _ := bom["components"].([]any)
	for _, c := range components {
		if c, ok := c.(map[string]any); ok {
			name, _ := c["name"].(string)
			version, _ := c["version"].(string)
			out[name] = strings.TrimPrefix(version, "go")
		}
	}
	return out
}

func compare(want, got map[string]string) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			errs = append(errs, fmt.Errorf("%s %s is named as %q", name, want[name], got[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[name]; !ok {
			errs = append(errs, fmt.Errorf("%s %s is not in the program", name, got[name]))
		}
	}
	return errors.Join(errs...)
}
