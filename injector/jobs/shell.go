package jobs

import (
	"strings"

	"boothook/injector/jobs/upstart"
)

// shellLetters are those that make upstart run a command by a shell.
const shellLetters = "~`!$^&*()=|\\{}[];\"'<>?\n"

// initCommands are the words with which a script speaks to upstart.
const initCommands = " initctl start stop restart reload status emit telinit runlevel "

// eventVariables are set by upstart from events that nobody else sends.
var eventVariables = []string{"RUNLEVEL", "PREVLEVEL", "EXIT_STATUS", "EXIT_SIGNAL", "RESULT", "PROCESS", "UPSTART_STOP_EVENTS", "UPSTART_SESSION"}

// needsUpstart finds what in a process only works under upstart: the first
// such word, or "". What it finds need not ever run; what it does not find is
// what no reading of a shell script finds. A lone "stop", by which a job ends
// itself, is counted apart.
func needsUpstart(p *upstart.Process) (word string, stops bool) {
	if p == nil {
		return "", false
	}
	for _, line := range strings.Split(p.Text, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		command := true
		words := append(strings.Fields(spaced(line)), ";")
		for i, word := range words {
			if command && word == "stop" && strings.Contains(" ; & | ) } ", " "+words[i+1]+" ") {
				stops = true
			} else if command && strings.Contains(initCommands, " "+strings.TrimPrefix(strings.TrimPrefix(word, "/sbin/"), "/usr/sbin/")+" ") {
				return word, stops
			}
			command = strings.Contains(" ; & | ( { && || then else elif do if while until ! exec ", " "+word+" ")
		}
		for _, name := range eventVariables {
			if strings.Contains(line, "$"+name) || strings.Contains(line, "${"+name) {
				return "$" + name, stops
			}
		}
	}
	return "", stops
}

// spaced puts blanks around the operators after which a command stands.
func spaced(line string) string {
	return strings.NewReplacer(";", " ; ", "&", " & ", "|", " | ", "(", " ( ", ")", " ) ", "`", " ( ").Replace(line)
}

// simple says whether a command can be run without a shell, as upstart would:
// split at blanks, by its own path.
func simple(p *upstart.Process) bool {
	return !p.Script && strings.HasPrefix(p.Text, "/") && !strings.ContainsAny(p.Text, shellLetters)
}

// scriptOf is what a shell is given for a process.
func scriptOf(p *upstart.Process) string {
	if p.Script {
		return p.Text
	}
	return "exec " + p.Text + "\n"
}
