// Checksbom makes sure that a CycloneDX SBOM names exactly the modules that
// are linked into a program, each with its version and the machine that it was
// compiled for, and takes out of it what differs from one run or machine to
// the next.
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
	"net/url"
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
	if err := compare(info, bom); err != nil {
		return fmt.Errorf("%s does not fit %s: %w", file, program, err)
	}
	settle(bom)
	data, err = json.MarshalIndent(bom, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(data, '\n'), 0o644)
}

// settle takes out what tells of the moment and of the generator's build.
func settle(bom map[string]any) {
	metadata, _ := bom["metadata"].(map[string]any)
	delete(metadata, "timestamp")
	tools, _ := metadata["tools"].([]any)
	for _, tool := range tools {
		if tool, ok := tool.(map[string]any); ok {
			delete(tool, "hashes")
		}
	}
}

// compare says all that an SBOM has wrong about a program.
func compare(info *buildinfo.BuildInfo, bom map[string]any) error {
	var errs []error
	if format := bom["bomFormat"]; format != "CycloneDX" {
		errs = append(errs, fmt.Errorf("it is not CycloneDX: %v", format))
	}
	want, got := linked(info), map[string]string{}
	for _, c := range components(bom) {
		got[c.name] = c.version
	}
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
	metadata, _ := bom["metadata"].(map[string]any)
	subject := parse(metadata["component"])
	for _, c := range append(components(bom), subject) {
		if machine := machine(info); c.machine != machine {
			errs = append(errs, fmt.Errorf("%s is said to be for %s, the program is for %s", c.name, c.machine, machine))
		}
	}
	return errors.Join(errs...)
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

// machine is what a program was compiled for, as GOOS/GOARCH.
func machine(info *buildinfo.BuildInfo) string {
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	return settings["GOOS"] + "/" + settings["GOARCH"]
}

// A component is what an SBOM says of one module.
type component struct{ name, version, machine string }

func components(bom map[string]any) []component {
	var out []component
	list, _ := bom["components"].([]any)
	for _, c := range list {
		out = append(out, parse(c))
	}
	return out
}

// parse reads a component. Its machine is in the qualifiers of its package URL.
func parse(c any) component {
	fields, _ := c.(map[string]any)
	text := func(key string) string {
		value, _ := fields[key].(string)
		return value
	}
	_, qualifiers, _ := strings.Cut(text("purl"), "?")
	qualifiers, _, _ = strings.Cut(qualifiers, "#")
	values, _ := url.ParseQuery(qualifiers)
	return component{text("name"), strings.TrimPrefix(text("version"), "go"), values.Get("goos") + "/" + values.Get("goarch")}
}
