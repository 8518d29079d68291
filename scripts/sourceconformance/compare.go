package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"boothook/scripts/conformance/probe"
	"boothook/scripts/differences"
)

//go:embed probe.py
var program string

// An answer is what cloud-init makes of a case, and both networks as facts.
type answer struct {
	Theirs struct {
		ID           string         `json:"id"`
		Hostname     string         `json:"hostname"`
		Keys         []string       `json:"keys"`
		User         []byte         `json:"user"`
		Vendor       []byte         `json:"vendor"`
		Config       map[string]any `json:"config"`
		Error        string         `json:"error"`
		NetworkError string         `json:"network_error"`
	} `json:"theirs"`
	Links     map[string][]string `json:"links"`
	Ours      map[string][]string `json:"ours"`
	OurConfig map[string]any      `json:"our_config"`
}

// A comparison is one run.
type comparison struct {
	chroot      string
	verbose     bool
	reasons     differences.Reasons
	explained   int
	unexplained int
	unequal     map[string]map[string]bool
}

// cloudInit puts all cases to the chroot's cloud-init.
func (c *comparison) cloudInit(all []sourceCase) (map[string]answer, error) {
	in := map[string]*sourceCase{}
	for i := range all {
		in[all[i].Name] = &all[i]
	}
	var result map[string]answer
	err := probe.Ask(c.chroot, program, in, &result)
	return result, err
}

// say counts a difference, and prints it unless there is a reason.
func (c *comparison) say(name, what string) {
	if c.unequal == nil {
		c.unequal = map[string]map[string]bool{}
	}
	source, _, _ := strings.Cut(name, "/")
	if c.unequal[source] == nil {
		c.unequal[source] = map[string]bool{}
	}
	c.unequal[source][name] = true
	whole := name + ": " + what
	if r := c.reasons.Of(whole); r != nil {
		c.explained++
		if c.verbose {
			fmt.Printf("%s\n    (%s)\n", whole, r.Why)
		}
		return
	}
	c.unexplained++
	fmt.Println(whole)
}

// compare says what differs between an answer and a case's.
func (c *comparison) compare(mine *sourceCase, a answer) {
	theirs, ours := a.Theirs, mine.ours
	switch {
	case theirs.Error != "" && ours.err != nil:
		return // both refuse
	case theirs.Error != "":
		c.say(mine.Name, "cloud-init fails: "+theirs.Error)
		return
	case ours.err != nil:
		c.say(mine.Name, "boothook fails: "+ours.err.Error())
		return
	}
	for _, f := range []struct{ what, theirs, ours string }{
		{"id", theirs.ID, ours.ID},
		{"hostname", theirs.Hostname, ours.Hostname},
		{"keys", keys(theirs.Keys), keys(ours.PublicKeys)},
		{"user-data", string(theirs.User), string(ours.UserData)},
	} {
		if f.theirs != f.ours {
			c.say(mine.Name, fmt.Sprintf("%s: theirs %.300q, ours %.300q", f.what, f.theirs, f.ours))
		}
	}
	c.vendor(mine, a)
	if theirs.NetworkError != "" {
		c.say(mine.Name, "cloud-init's network fails: "+theirs.NetworkError)
		return
	}
	all := map[string]bool{}
	for link := range a.Links {
		all[link] = true
	}
	for link := range a.Ours {
		all[link] = true
	}
	for _, link := range sorted(all) {
		for _, fact := range a.Links[link] {
			if !slices.Contains(a.Ours[link], fact) {
				c.say(mine.Name, link+": only theirs: "+fact)
			}
		}
		for _, fact := range a.Ours[link] {
			if !slices.Contains(a.Links[link], fact) {
				c.say(mine.Name, link+": only ours: "+fact)
			}
		}
	}
}

// vendor compares vendor-data; what cloud-init's datasource has as settings of
// its own is in ours.
func (c *comparison) vendor(mine *sourceCase, a answer) {
	if len(a.Theirs.Config) > 0 {
		for _, key := range sorted(keySet(a.Theirs.Config, a.OurConfig)) {
			if !reflect.DeepEqual(a.Theirs.Config[key], a.OurConfig[key]) {
				c.say(mine.Name, fmt.Sprintf("config %s: theirs %v, ours %v", key, a.Theirs.Config[key], a.OurConfig[key]))
			}
		}
		return
	}
	if theirs, ours := string(a.Theirs.Vendor), string(mine.ours.VendorData); theirs != ours && !sameArchive(theirs, ours) {
		c.say(mine.Name, fmt.Sprintf("vendor-data: theirs %.300q, ours %.300q", theirs, ours))
	}
}

// sameArchive says that two archives hold the same.
func sameArchive(a, b string) bool {
	const start = "#cloud-config-archive\n"
	var x, y any
	return strings.HasPrefix(a, start) && strings.HasPrefix(b, start) &&
		json.Unmarshal([]byte(a[len(start):]), &x) == nil && json.Unmarshal([]byte(b[len(start):]), &y) == nil && reflect.DeepEqual(x, y)
}

// keys gives keys as what matters of authorized_keys: its lines, without comments.
func keys(list []string) string {
	set := map[string]bool{}
	for _, k := range list {
		for line := range strings.Lines(k) {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
				set[line] = true
			}
		}
	}
	return strings.Join(sorted(set), "\n")
}

func keySet[V any](all ...map[string]V) map[string]bool {
	out := map[string]bool{}
	for _, m := range all {
		for k := range m {
			out[k] = true
		}
	}
	return out
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// generate is an error if the chroot's netplan refuses a file.
func (c *comparison) generate(text string) error {
	if text == "" {
		return nil
	}
	dir, err := os.MkdirTemp(filepath.Join(c.chroot, "tmp"), "netplan")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "etc/netplan/50-cloud-init.yaml")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	inside := strings.TrimPrefix(dir, strings.TrimSuffix(c.chroot, "/"))
	_, err = exec.Command("chroot", c.chroot, "/usr/libexec/netplan/generate", "--root-dir", inside).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return errors.New(strings.TrimSpace(string(exit.Stderr)))
	}
	return err
}
