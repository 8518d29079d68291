package jobs

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"boothook/injector/jobs/upstart"
	"boothook/injector/plan"
)

// The inits without units run a job by a shell script of ours that first
// makes its surroundings and then becomes the process.

// wrapper is the script that runs one process of a job. prefix is a command
// that takes on the job's user, empty for none.
func (t *task) wrapper(p *upstart.Process, prefix string) []byte {
	var s strings.Builder
	s.WriteString("#!/bin/sh\n# Written by boothook from an upstart job of user-data.\n")
	for _, e := range append([]string{"PATH=" + upstartPath}, t.environment()...) {
		key, value, _ := strings.Cut(e, "=")
		s.WriteString("export " + key + "=" + quoteWords([]string{value}) + "\n")
	}
	mask := int64(0o022)
	if t.Umask != nil {
		mask = *t.Umask
	}
	fmt.Fprintf(&s, "umask %04o\n", mask)
	if t.OOMScore != nil {
		fmt.Fprintf(&s, "echo %d >/proc/self/oom_score_adj || exit 1\n", *t.OOMScore)
	}
	dir := "/"
	if t.Chdir != "" {
		dir = t.Chdir
	}
	s.WriteString("cd " + quoteWords([]string{dir}) + " || exit 1\n")
	switch t.Console {
	case "output", "owner":
		s.WriteString("exec </dev/null >/dev/console 2>&1\n")
	case "none":
		s.WriteString("exec </dev/null >/dev/null 2>&1\n")
	default:
		// As upstart does; before the file systems are there, to the console.
		log := "/var/log/upstart/" + t.name + ".log"
		s.WriteString("mkdir -p /var/log/upstart 2>/dev/null\nlog=" + log +
			"\ntouch \"$log\" 2>/dev/null || log=/dev/console\nexec </dev/null >>\"$log\" 2>&1\n")
	}
	if t.Nice != nil {
		prefix = "nice -n " + strconv.FormatInt(*t.Nice, 10) + " " + prefix
	}
	s.WriteString("exec " + prefix + "/bin/sh -e -c " + quoteWords([]string{scriptOf(p)}) + "\n")
	return []byte(s.String())
}

// wrap plans the wrapper of one process and returns its path.
func (t *task) wrap(stanza string, p *upstart.Process, prefix string) (string, plan.Step) {
	file := path.Join(scriptDir, t.name, stanza)
	return file, plan.Step{Kind: plan.File, Path: file, Body: t.wrapper(p, prefix), Mode: 0o755}
}

// refuseUnitsOnly refuses what systemd alone can be told.
func (t *task) refuseUnitsOnly() {
	for _, l := range t.Limits {
		t.refuse("limit "+l.Resource, "resource limits cannot be expressed")
	}
	for stanza, asked := range map[string]bool{
		"chroot": t.Chroot != "", "apparmor load": t.AppArmorLoad != "", "apparmor switch": t.AppArmorSwitch != "",
		"normal exit": len(t.NormalExit) > 0, "kill timeout": t.KillTimeout != nil,
		"kill signal": t.KillSignal != nil, "reload signal": t.ReloadSignal != nil,
		"post-start": t.PostStart != nil, "pre-stop": t.PreStop != nil,
	} {
		if asked {
			t.refuse(stanza, "cannot be expressed")
		}
	}
	for _, e := range t.Env {
		key, _, literal := strings.Cut(e, "=")
		if !literal {
			t.refuse("env", "a variable of init's own cannot be passed on")
		} else if !isName(key) {
			t.refuse("env", "the name of a variable is not one")
		}
	}
	if t.cancels {
		t.refuse("pre-start", "uses stop, which is upstart's")
	}
	if t.Main == nil {
		t.refuse("start on", "a job without a process cannot be expressed")
	}
	if len(t.endWith) > 0 {
		t.refuse("stop on", "an end with another job cannot be expressed")
	}
}

func isName(s string) bool {
	for i, c := range s {
		if c != '_' && !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z') && !(i > 0 && '0' <= c && c <= '9') {
			return false
		}
	}
	return s != ""
}

// owner is the user and group in the form user[:group].
func (t *task) owner() string {
	switch {
	case t.SetUID == "" && t.SetGID == "":
		return ""
	case t.SetGID == "":
		return t.SetUID
	case t.SetUID == "":
		return "root:" + t.SetGID
	}
	return t.SetUID + ":" + t.SetGID
}
