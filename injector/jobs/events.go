package jobs

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"boothook/injector/jobs/upstart"
)

// A moment is a time in a boot that every init knows in its own way.
type moment uint8

const (
	// early is before every service: the events startup and ec2-boot-hook.
	early moment = iota
	// filesystems is when the local file systems are there and no service is.
	filesystems
	// allFilesystems includes those over the network.
	allFilesystems
	// network is when an address is there.
	network
	// services is when services start: the runlevels 2 to 5.
	services
	// rescue is runlevel 1.
	rescue
	// graphical is when somebody can log in to a desktop.
	graphical
	// late is after everything.
	late
	// before and after hold to a named job's start.
	before
	after
	// device is when a network interface appears.
	device
	// mount is when a file system is mounted.
	mount
)

// An anchor is a moment and, for the last four, whose it is. Env holds what
// the event brings along and is known beforehand.
type anchor struct {
	moment moment
	name   string
	env    []string
}

func (a anchor) same(b anchor) bool { return a.moment == b.moment && a.name == b.name }

// A refusal says what of an upstart job another init cannot be told.
type refusal struct {
	stanza string
	line   int
	reason string
}

func (r refusal) Error() string { return r.stanza + ": " + r.reason }

// anchors gives the moments that must all have come for the job to start.
func anchors(e *upstart.Expr) ([]anchor, error) {
	if e == nil {
		return nil, nil
	}
	if e.Op == "" {
		a, err := anchorOf(e)
		if err != nil {
			return nil, refusal{"start on", e.Line, err.Error()}
		}
		return []anchor{a}, nil
	}
	left, err := anchors(e.Left)
	if err != nil {
		return nil, err
	}
	right, err := anchors(e.Right)
	if err != nil {
		return nil, err
	}
	if e.Op == "and" {
		for _, a := range right {
			if !slices.ContainsFunc(left, a.same) {
				left = append(left, a)
			}
		}
		return left, nil
	}
	if !slices.EqualFunc(left, right, anchor.same) {
		return nil, refusal{"start on", e.Line, "\"or\" of events that come at different times cannot be expressed"}
	}
	return left, nil
}

// anchorOf translates one event.
func anchorOf(e *upstart.Expr) (anchor, error) {
	switch e.Event {
	case "startup", "ec2-boot-hook":
		return anchor{moment: early}, nil
	case "virtual-filesystems", "local-filesystems":
		return anchor{moment: filesystems}, nil
	case "filesystem", "remote-filesystems", "all-swaps":
		return anchor{moment: allFilesystems}, nil
	case "static-network-up", "cloud-config":
		return anchor{moment: network}, nil
	case "desktop-session-start", "login-session-start":
		return anchor{moment: graphical}, nil
	case "runlevel":
		return runlevelAnchor(e)
	case "mounted", "mounting", mountEvent:
		return mountAnchor(e)
	case "net-device-up", "net-device-added":
		return interfaceAnchor(e)
	case "starting", "started", "stopped":
		return jobAnchor(e)
	}
	return anchor{}, fmt.Errorf("there is no event %q outside of upstart", e.Event)
}

// value gives an argument by its place or its name; not says that it stands
// for everything else.
func value(e *upstart.Expr, place int, name string) (text string, found, not bool) {
	for i, a := range e.Args {
		key, v, named := strings.Cut(a, "=")
		switch {
		case !named && i == place:
			return a, true, false
		case named && key == name:
			return v, true, false
		case named && key == name+"!":
			return v, true, true
		}
	}
	return "", false, false
}

func hasGlob(s string) bool { return strings.ContainsAny(s, "*?[\\$") }

func runlevelAnchor(e *upstart.Expr) (anchor, error) {
	pattern, found, not := value(e, 0, "RUNLEVEL")
	if !found {
		return anchor{}, fmt.Errorf("a runlevel event without its level also comes at shutdown")
	}
	if _, previous, _ := value(e, 1, "PREVLEVEL"); previous || len(e.Args) > 1 {
		return anchor{}, fmt.Errorf("the previous runlevel is not known")
	}
	matches := func(levels string) bool {
		for _, level := range levels {
			ok, err := path.Match(strings.ReplaceAll(pattern, "[!", "[^"), string(level))
			if err == nil && ok != not {
				return true
			}
		}
		return false
	}
	switch {
	case matches("06"):
		return anchor{}, fmt.Errorf("a job that starts at shutdown (runlevel 0 or 6) cannot be expressed")
	case matches("2345"):
		return anchor{moment: services}, nil
	case matches("1S"):
		return anchor{moment: rescue}, nil
	}
	return anchor{}, fmt.Errorf("no runlevel matches %q", pattern)
}

func mountAnchor(e *upstart.Expr) (anchor, error) {
	place, found, not := value(e, -1, "MOUNTPOINT")
	switch {
	case !found || not || hasGlob(place) || !path.IsAbs(place):
		return anchor{}, fmt.Errorf("%s needs one MOUNTPOINT", e.Event)
	case e.Event == "mounting":
		return anchor{}, fmt.Errorf("nothing can be held before a file system is mounted")
	case len(e.Args) > 1:
		return anchor{}, fmt.Errorf("only MOUNTPOINT of mounted is known beforehand")
	case path.Clean(place) == "/":
		return anchor{moment: early, env: []string{"MOUNTPOINT=/"}}, nil
	}
	return anchor{mount, path.Clean(place), []string{"MOUNTPOINT=" + place}}, nil
}

func interfaceAnchor(e *upstart.Expr) (anchor, error) {
	key := "IFACE"
	if e.Event == "net-device-added" {
		key = "INTERFACE"
	}
	name, found, not := value(e, 0, key)
	switch {
	case len(e.Args) > 1:
		return anchor{}, fmt.Errorf("only %s of %s is known beforehand", key, e.Event)
	case !found || not && name == "lo":
		if e.Event == "net-device-up" {
			return anchor{moment: network}, nil
		}
		return anchor{}, fmt.Errorf("%s needs one %s", e.Event, key)
	case not || hasGlob(name):
		return anchor{}, fmt.Errorf("%s needs one %s", e.Event, key)
	case name == "lo":
		return anchor{moment: filesystems, env: []string{key + "=lo"}}, nil
	case e.Event == "net-device-added":
		return anchor{device, name, []string{key + "=" + name}}, nil
	}
	return anchor{network, name, []string{key + "=" + name}}, nil
}

func jobAnchor(e *upstart.Expr) (anchor, error) {
	name, found, not := value(e, 0, "JOB")
	if !found || not || hasGlob(name) {
		return anchor{}, fmt.Errorf("%s needs the name of one job", e.Event)
	}
	if e.Event == "stopped" {
		switch name {
		case "rc", "rc-sysinit", "cloud-final", "cloud-config", "cloud-config-misc", "cloud-run-user-script":
			return anchor{moment: late}, nil
		}
		return anchor{}, fmt.Errorf("a start at the end of job %s cannot be expressed", name)
	}
	if len(e.Args) > 1 {
		return anchor{}, fmt.Errorf("only JOB of %s is known beforehand", e.Event)
	}
	if name == "mountall" && e.Event == "starting" {
		return anchor{moment: early, env: []string{"JOB=mountall"}}, nil
	}
	a := anchor{before, name, []string{"JOB=" + name}}
	if e.Event == "started" {
		a.moment = after
	}
	return a, nil
}

// stops translates stop on: true for what every init does at shutdown anyway,
// a name where the job ends with another one.
func stops(e *upstart.Expr) (with []string, err error) {
	for _, event := range e.Events() {
		switch name, found, not := value(event, 0, "JOB"); {
		case event.Event == "runlevel":
			if pattern, found, _ := value(event, 0, "RUNLEVEL"); found {
				if _, err := path.Match(pattern, "0"); err != nil {
					return nil, refusal{"stop on", event.Line, fmt.Sprintf("no runlevel matches %q", pattern)}
				}
			}
		case event.Event == "deconfiguring-networking", event.Event == "unmounted-remote-filesystems":
		case event.Event == "stopping" && found && !not && !hasGlob(name) && len(event.Args) == 1:
			with = append(with, name)
		default:
			return nil, refusal{"stop on", event.Line, fmt.Sprintf("there is nothing like %q to stop at outside of upstart", event.String())}
		}
	}
	if e != nil && e.Op == "and" {
		return nil, refusal{"stop on", e.Line, "\"and\" cannot be expressed"}
	}
	return with, nil
}
