// Package report holds what a boot did, as plain data: its JSON schema, its
// text for people, and the merging in of what late jobs had to say. The agent
// fills it in; the tool reads it. It never holds a secret: bodies are named by
// size and hash, and messages carry no user-data.
package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"boothook/netboot/instance"
)

// Schema is the version of the JSON form. It grows when a field changes its
// meaning or goes; new fields do not change it.
const Schema = 1

// Where a boot keeps its report, and the root its copy.
const (
	RunPath  = "/run/boothook/report.json"
	KeptPath = "/var/lib/boothook/report.json"
	LatePath = "/run/boothook/late"
	// HookLog takes the output of hooks; it is 0640.
	HookLog = "/run/boothook/hooks.log"
)

// A Result sums a boot up in one word.
type Result string

const (
	// Applied: the root was customized by this boot.
	Applied Result = "applied"
	// Known: this instance had been applied before; hooks may have run.
	Known Result = "known"
	// DryRun: decoded and planned, nothing written.
	DryRun Result = "dry-run"
	// NoPlatform: the machine shows no sign of a cloud; nothing was asked.
	NoPlatform Result = "no-platform"
	// Failed: nothing, or not everything, could be applied.
	Failed Result = "failed"
)

// A Report is what one boot did.
type Report struct {
	Schema  int    `json:"schema"`
	Version string `json:"version"`
	BootID  string `json:"boot_id,omitempty"`
	Result  Result `json:"result"`
	// Platform, Source and Evidence say where we believe to be, and why.
	Platform string   `json:"platform,omitempty"`
	Source   string   `json:"source,omitempty"`
	Evidence []string `json:"evidence,omitempty"`
	// Unasked says why a known instance's source was not asked; empty where
	// it was.
	Unasked string `json:"unasked,omitempty"`
	// InstanceID and what follows come from the source.
	InstanceID  string     `json:"instance_id,omitempty"`
	NewInstance bool       `json:"new_instance"`
	Hostname    string     `json:"hostname,omitempty"`
	Network     []NIC      `json:"network,omitempty"`
	Fetch       *Fetch     `json:"fetch,omitempty"`
	Parts       []Part     `json:"parts,omitempty"`
	Hooks       []Hook     `json:"hooks,omitempty"`
	Steps       []Step     `json:"steps,omitempty"`
	Problems    []Problem  `json:"problems,omitempty"`
	Timeline    []Mark     `json:"timeline,omitempty"`
	Late        []LateLine `json:"late,omitempty"`
}

// A Problem is an instance.Problem; the name keeps importers to one package.
type Problem = instance.Problem

// A NIC is one interface that led somewhere.
type NIC struct {
	Name    string   `json:"name"`
	MAC     string   `json:"mac"`
	Address string   `json:"address"`
	Gateway string   `json:"gateway,omitempty"`
	DNS     []string `json:"dns,omitempty"`
	Adopted bool     `json:"adopted,omitempty"`
	// Used says that the source was reached through this one.
	Used bool `json:"used,omitempty"`
}

// Fetch counts what the metadata service was asked.
type Fetch struct {
	Requests    int `json:"requests"`
	Connections int `json:"connections"`
}

// A Part names one part of user-data without showing it.
type Part struct {
	Index  int    `json:"index"`
	Name   string `json:"name"`
	Type   string `json:"type"`
	Origin string `json:"origin"`
	Size   int    `json:"size"`
	SHA256 string `json:"sha256"`
	Error  string `json:"error,omitempty"`
}

// A Hook is one run of a hook.
type Hook struct {
	Name     string  `json:"name"`
	Exit     int     `json:"exit"`
	Seconds  float64 `json:"seconds"`
	TimedOut bool    `json:"timed_out,omitempty"`
	// Signal names the signal that ended it, Left the processes that it
	// left running and that were killed.
	Signal string   `json:"signal,omitempty"`
	Left   []string `json:"left,omitempty"`
	Error  string   `json:"error,omitempty"`
	Notes  []string `json:"notes,omitempty"`
}

// A Step is one step of the plan and what became of it.
type Step struct {
	Kind   string `json:"kind"`
	Path   string `json:"path,omitempty"`
	Result string `json:"result"`
	Part   string `json:"part,omitempty"`
	Key    string `json:"key,omitempty"`
}

// A Mark is a moment of the boot.
type Mark struct {
	// Seconds since the kernel started (CLOCK_MONOTONIC).
	Seconds float64 `json:"seconds"`
	Stage   string  `json:"stage"`
}

// A LateLine is one line of /run/boothook/late: what a late job says of itself.
type LateLine struct {
	// At is when, in seconds since 1970.
	At   float64 `json:"at"`
	Name string  `json:"name"`
	Exit int     `json:"exit"`
}

// maxLate bounds how many late lines a report takes in.
const maxLate = 10_000

// MergeLate adds the lines of the late file. A line that is not JSON becomes
// a problem; the others are kept.
func (r *Report) MergeLate(text []byte) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan() && n <= maxLate; n++ {
		var late LateLine
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		if err := json.Unmarshal(lines.Bytes(), &late); err != nil {
			r.Problems = append(r.Problems, Problem{Origin: LatePath, Line: n, Message: fmt.Sprintf("read late line: %v", err)})
			continue
		}
		r.Late = append(r.Late, late)
	}
}

// Failures are the problems that lost something.
func (r *Report) Failures() []Problem {
	var out []Problem
	for _, p := range r.Problems {
		if !p.Warning {
			out = append(out, p)
		}
	}
	return out
}

// Mark notes that a stage was reached, at a time since the kernel started.
func (r *Report) Mark(at time.Duration, stage string) {
	r.Timeline = append(r.Timeline, Mark{Seconds: float64(at.Milliseconds()) / 1000, Stage: stage})
}

// Encode gives the JSON form, indented, with a final newline.
func (r *Report) Encode() ([]byte, error) {
	out, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode report: %w", err)
	}
	return append(out, '\n'), nil
}

// Decode reads the JSON form of any known schema.
func Decode(text []byte) (*Report, error) {
	var r Report
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("decode report: %w", err)
	}
	if r.Schema < 1 || r.Schema > Schema {
		return nil, fmt.Errorf("decode report: schema %d, want 1 to %d", r.Schema, Schema)
	}
	return &r, nil
}
