// Networkconformance compares boothook's network renderers with the real ones:
// cloud-init's five, and for version 2 netplan's generator with its backends
// systemd-networkd and NetworkManager, both of a Debian in a chroot.
//
// The documents are in cases: v1 and v2 go through cloud-init; v2 and netplan
// through netplan; each of refused must be refused by netplan and be named in a
// problem by boothook, with its line. What comes out is read by meaning: a
// reader for each format, which shares no code with what writes it, makes a set
// of facts about each link. Facts that one side alone has are differences. A
// difference is boothook's fault unless a line of the file of differences says
// why not, in words that it quotes.
//
// usage: networkconformance --chroot DIR --cases DIR --differences FILE [-v]
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/txtar"

	"boothook/injector/network"
	"boothook/netboot/instance"
)

func main() {
	var c comparison
	flag.StringVar(&c.chroot, "chroot", "", "a `directory` with Debian's cloud-init and netplan")
	cases := flag.String("cases", "", "the `directory` of cases")
	differences := flag.String("differences", "", "the `file` of differences that are none of ours")
	flag.BoolVar(&c.verbose, "v", false, "print the differences that have a reason, too")
	only := flag.String("only", "", "compare only the cases with this in their `name`")
	draws := flag.Int("draw", 0, "compare so many `documents` drawn by chance with netplan, instead of the cases")
	seed := flag.Uint64("seed", 1, "the first drawn document's `number`")
	flag.Parse()
	if *draws > 0 {
		if err := c.chance(*seed, *draws, *differences); err != nil {
			fmt.Fprintln(os.Stderr, "networkconformance:", err)
			os.Exit(1)
		}
		return
	}
	if err := c.run(*cases, *differences, *only); err != nil {
		fmt.Fprintln(os.Stderr, "networkconformance:", err)
		os.Exit(1)
	}
}

// A document is one case.
type document struct {
	name, text string
}

// A comparison is one run.
type comparison struct {
	chroot      string
	verbose     bool
	reasons     []*reason
	unexplained int
}

func load(dir, group, only string) ([]document, error) {
	a, err := txtar.ParseFile(filepath.Join(dir, group+".txtar"))
	if err != nil {
		return nil, err
	}
	var out []document
	for _, f := range a.Files {
		if name := group + "/" + f.Name; strings.Contains(name, only) {
			out = append(out, document{name, string(f.Data)})
		}
	}
	return out, nil
}

func (c *comparison) run(dir, differences, only string) error {
	var err error
	if c.reasons, err = readReasons(differences); err != nil {
		return err
	}
	groups := map[string][]document{}
	for _, g := range []string{"v1", "v2", "netplan", "refused"} {
		if groups[g], err = load(dir, g, only); err != nil {
			return err
		}
	}
	both := slices.Concat(groups["v1"], groups["v2"])
	theirs, err := c.cloudInit(both)
	if err != nil {
		return err
	}
	compared := map[string]*tally{}
	for _, d := range both {
		for _, renderer := range []string{"netplan", "networkd", "network-manager", "eni", "sysconfig"} {
			ref := theirs[d.name][renderer]
			if ref.Error != "" {
				c.say("cloud-init "+renderer, d.name, "", "fails: "+ref.Error)
				continue
			}
			ours, _ := render(d, renderer)
			c.compare(compared, "cloud-init "+renderer, d.name, read(renderer, ref.Files), read(renderer, ours))
		}
		if err := c.accepted(d); err != nil {
			c.say("netplan accepts", d.name, "", err.Error())
		}
	}
	for _, d := range slices.Concat(groups["v2"], groups["netplan"]) {
		for backend, renderer := range map[string]string{"networkd": "networkd", "NetworkManager": "network-manager"} {
			ref, refusal, err := c.netplan(d.text, backend)
			if err != nil {
				return err
			}
			if refusal != "" {
				_, problems := render(d, renderer)
				if !anyLine(problems) {
					c.say("netplan "+renderer, d.name, "", "refused by netplan, taken by boothook: "+refusal)
				}
				continue
			}
			ours, _ := render(d, renderer)
			c.compare(compared, "netplan "+renderer, d.name, read(renderer, ref), read(renderer, ours))
		}
	}
	refused, err := c.refusals(groups["refused"])
	if err != nil {
		return err
	}
	c.print(compared)
	fmt.Printf("%-28s %4d documents, each refused by netplan and named with its line by boothook\n", "refused", refused)
	for _, r := range c.reasons {
		if r.used == 0 && only == "" {
			fmt.Printf("unused: %s\n", r.line)
			c.unexplained++
		}
	}
	if c.unexplained > 0 {
		return fmt.Errorf("%d differences without a reason", c.unexplained)
	}
	return nil
}

// render gives boothook's files, and what it says.
func render(d document, renderer string) (map[string]string, []instance.Problem) {
	doc, problems := network.Read([]byte(d.text), d.name)
	r := network.Plan(doc, nil, renderer, nil)
	files := map[string]string{}
	for _, s := range r.Steps {
		files[s.Path] = string(s.Body)
	}
	return files, append(problems, r.Problems...)
}

func anyLine(problems []instance.Problem) bool {
	return slices.ContainsFunc(problems, func(p instance.Problem) bool { return p.Line > 0 })
}

// refusals holds boothook to what netplan refuses, and counts it.
func (c *comparison) refusals(docs []document) (int, error) {
	n := 0
	for _, d := range docs {
		_, refusal, err := c.netplan(d.text, "")
		if err != nil {
			return n, err
		}
		if refusal == "" {
			c.say("refused", d.name, "", "netplan takes it")
			continue
		}
		for _, renderer := range []string{"netplan", "networkd", "network-manager", "eni", "sysconfig"} {
			files, problems := render(d, renderer)
			if !anyLine(problems) {
				c.say("refused", d.name, "", renderer+" takes it; netplan: "+refusal)
			}
			if renderer == "netplan" {
				if err := c.generate(files); err != nil {
					c.say("refused", d.name, "", "netplan refuses what is left, too: "+err.Error())
				}
			}
		}
		n++
	}
	return n, nil
}

// say counts a difference, and prints it unless there is a reason, which it
// then says.
func (c *comparison) say(with, name, link, what string) (reasoned bool) {
	whole := with + ": " + name + ": " + link + ": " + what
	for _, r := range c.reasons {
		if r.pattern.MatchString(whole) {
			r.used++
			if c.verbose {
				fmt.Printf("%s\n    (%s)\n", whole, r.why)
			}
			return true
		}
	}
	c.unexplained++
	fmt.Println(whole)
	return false
}

func (c *comparison) print(tallies map[string]*tally) {
	for _, k := range slices.Sorted(mapsKeys(tallies)) {
		t := tallies[k]
		fmt.Printf("%-28s %4d documents, %4d of them equal; %5d facts equal, %4d different with a reason\n", k, t.documents, t.same, t.equal, t.reasoned)
	}
}

// A tally counts what came of one reference.
type tally struct{ documents, same, equal, reasoned int }

func (c *comparison) compare(tallies map[string]*tally, with, name string, theirs, ours links) {
	t := tallies[with]
	if t == nil {
		t = &tally{}
		tallies[with] = t
	}
	t.documents++
	same := true
	all := map[string]bool{}
	for l := range theirs {
		all[l] = true
	}
	for l := range ours {
		all[l] = true
	}
	for _, l := range slices.Sorted(mapsKeys(all)) {
		for _, fact := range slices.Sorted(mapsKeys(theirs[l])) {
			if ours[l][fact] {
				t.equal++
				continue
			}
			same = false
			if c.say(with, name, l, "only theirs: "+fact) {
				t.reasoned++
			}
		}
		for _, fact := range slices.Sorted(mapsKeys(ours[l])) {
			if theirs[l][fact] {
				continue
			}
			same = false
			if c.say(with, name, l, "only ours: "+fact) {
				t.reasoned++
			}
		}
	}
	if same {
		t.same++
	}
}
