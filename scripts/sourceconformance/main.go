// Sourceconformance compares what boothook's datasources make of metadata
// documents with what the real cloud-init of a Debian in a chroot makes of them.
//
// The documents are in cases, one txtar archive for each source. Each goes
// through the source's own fetch, from a service or volume that holds it (through
// its parse, where the documents come over a device), and through cloud-init's
// datasource. Compared are the instance-id, the hostname, keys, user-data,
// vendor-data, and the network: what each side then writes for netplan, read by a
// reader that shares no code with what writes it. Each side's file must be one
// that netplan takes. A difference is boothook's fault unless a line of the file
// of differences says why not, in words that it quotes.
//
// usage: sourceconformance --chroot DIR --cases DIR --differences FILE [-v] [-only NAME]
package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"

	"boothook/scripts/differences"
)

func main() {
	var c comparison
	flag.StringVar(&c.chroot, "chroot", "", "a `directory` with Debian's cloud-init and netplan")
	dir := flag.String("cases", "", "the `directory` of cases")
	file := flag.String("differences", "", "the `file` of differences that are none of ours")
	flag.BoolVar(&c.verbose, "v", false, "print the differences that have a reason, too")
	only := flag.String("only", "", "compare only the cases with this in their `name`")
	flag.Parse()
	if err := c.run(*dir, *file, *only); err != nil {
		fmt.Fprintln(os.Stderr, "sourceconformance:", err)
		os.Exit(1)
	}
}

func (c *comparison) run(dir, file, only string) error {
	var err error
	if c.reasons, err = differences.Read(file); err != nil {
		return err
	}
	cases, err := readCases(dir, only)
	if err != nil {
		return err
	}
	for i := range cases {
		if err := cases[i].ask(); err != nil {
			return fmt.Errorf("%s: %w", cases[i].Name, err)
		}
	}
	theirs, err := c.cloudInit(cases)
	if err != nil {
		return err
	}
	compared := map[string]int{}
	for i := range cases {
		compared[cases[i].Source]++
		c.compare(&cases[i], theirs[cases[i].Name])
		if err := c.generate(cases[i].Netplan); err != nil {
			c.say(cases[i].Name, "netplan refuses ours: "+err.Error())
		}
	}
	for _, s := range slices.Sorted(maps.Keys(compared)) {
		fmt.Printf("%-14s %4d documents, %d of them equal\n", s, compared[s], compared[s]-len(c.unequal[s]))
	}
	fmt.Printf("%-14s %4d documents, %d differences with a reason, %d without\n", "all", len(cases), c.explained, c.unexplained)
	for _, r := range c.reasons {
		if r.Used == 0 && only == "" {
			fmt.Printf("unused: %s\n", r.Line)
			c.unexplained++
		}
	}
	if c.unexplained > 0 {
		return fmt.Errorf("%d differences without a reason", c.unexplained)
	}
	return nil
}
