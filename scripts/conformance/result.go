package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"boothook/injector/cloudconfig"
	"boothook/injector/hooks"
	"boothook/injector/jobs"
	"boothook/injector/plan"
	"boothook/injector/state"
	"boothook/injector/userdata"
	"boothook/injector/userdata/userdatatest"
)

// A result is what one side makes of one input.
type result struct {
	// Fatal is why cloud-init gave up on all of it.
	Fatal  *string         `json:"fatal"`
	Parts  []part          `json:"parts"`
	Files  map[string]file `json:"files"`
	Config any             `json:"config"`
}

type part struct {
	Name        string  `json:"name"`
	Type        string  `json:"type"`
	LaunchIndex *string `json:"launch_index"`
	MergeType   string  `json:"merge_type"`
	Size        int     `json:"size"`
	SHA256      string  `json:"sha256"`
}

func (p part) String() string {
	index := "-"
	if p.LaunchIndex != nil {
		index = *p.LaunchIndex
	}
	return fmt.Sprintf("%q %s launch %s merge %q size %d %.16s", p.Name, p.Type, index, p.MergeType, p.Size, p.SHA256)
}

type file struct {
	SHA256 string `json:"sha256"`
	Body   string `json:"body"`
}

// instanceDir is where the instance's own files would be.
const instanceDir = "/var/lib/cloud/instances/i"

// ours is what boothook makes of a case.
func ours(c userdatatest.Case) (result, error) {
	decoded := c.Decode()
	r := result{Files: map[string]file{}}
	for _, p := range decoded.Parts {
		r.Parts = append(r.Parts, ourPart(p))
	}
	parts, err := rendered(decoded.Parts)
	if err != nil {
		return result{}, err
	}
	config, _ := cloudconfig.Merge(parts, nil, nil, nil)
	r.Config = plainValue(config.User)
	planned := jobs.Plan(jobs.Context{Facts: plan.Facts{Init: plan.Systemd}, InstanceDir: instanceDir}, parts, nil)
	for _, s := range planned.Steps {
		if name, ok := scriptName(s.Path); ok && s.Kind == plan.File {
			r.Files[name] = newFile(s.Body)
		}
	}
	for _, p := range parts {
		if p.Type != userdata.TypeBoothook || p.Err != nil {
			continue
		}
		hook := hooks.FromPart(p)
		if name, err := state.FileName(hook.Name); err == nil {
			r.Files["boothooks/"+name] = newFile(hook.Body)
		}
	}
	return r, nil
}

func ourPart(p userdata.Part) part {
	sum := sha256.Sum256(p.Body)
	out := part{Name: p.Name, Type: p.Type, MergeType: p.MergeType, Size: len(p.Body), SHA256: hex.EncodeToString(sum[:])}
	if p.LaunchIndex != nil {
		index := "never"
		if *p.LaunchIndex != userdata.NoLaunchIndex {
			index = strconv.Itoa(*p.LaunchIndex)
		}
		out.LaunchIndex = &index
	}
	return out
}

// scriptName gives the place of a script as the probe names it.
func scriptName(p string) (string, bool) {
	dir, name := path.Split(p)
	switch strings.TrimSuffix(dir, "/") {
	case instanceDir + "/scripts":
		return "scripts/" + name, true
	case "/var/lib/cloud/scripts/per-boot", "/var/lib/cloud/scripts/per-instance", "/var/lib/cloud/scripts/per-once":
		return path.Base(dir) + "/" + name, true
	}
	return "", false
}

func newFile(body []byte) file {
	sum := sha256.Sum256(body)
	return file{hex.EncodeToString(sum[:]), base64.StdEncoding.EncodeToString(body)}
}

// plainValue is a cloud-config value as JSON holds it.
func plainValue(v *cloudconfig.Value) any {
	switch v.Kind {
	case cloudconfig.Absent, cloudconfig.Null:
		return nil
	case cloudconfig.Bool:
		return v.Bool
	case cloudconfig.Int:
		return float64(v.Int)
	case cloudconfig.Float:
		return v.Float
	case cloudconfig.Binary:
		return map[string]any{"!!binary": base64.StdEncoding.EncodeToString([]byte(v.Text))}
	case cloudconfig.List:
		list := []any{}
		for _, item := range v.List {
			list = append(list, plainValue(item))
		}
		return list
	case cloudconfig.Map:
		m := map[string]any{}
		for _, e := range v.Map {
			m[plainKey(e.Key)] = plainValue(e.Value)
		}
		return m
	}
	return v.Text
}

// plainKey is a key as Python's str would give it.
func plainKey(v *cloudconfig.Value) string {
	if v.Kind == cloudconfig.Null {
		return "None"
	}
	return v.Scalar()
}

// An aspect is one way in which two results differ.
type aspect struct{ name, detail string }

// differ lists how we differ from cloud-init's result.
func (r result) differ(we result) []aspect {
	var out []aspect
	if r.Fatal != nil {
		return []aspect{{"fatal", "\tcloud-init gives up: " + *r.Fatal}}
	}
	theirs, mine := lines(r.Parts), lines(we.Parts)
	if !slices.Equal(theirs, mine) {
		out = append(out, aspect{"parts", both(theirs, mine)})
	}
	theirFiles, ourFiles := fileLines(r.Files), fileLines(we.Files)
	if !slices.Equal(theirFiles, ourFiles) {
		out = append(out, aspect{"files", both(theirFiles, ourFiles)})
	}
	theirConfig, ourConfig := configText(r.Config), configText(we.Config)
	if theirConfig != ourConfig {
		out = append(out, aspect{"config", both([]string{theirConfig}, []string{ourConfig})})
	}
	return out
}

func lines(parts []part) []string {
	var out []string
	for _, p := range parts {
		out = append(out, p.String())
	}
	return out
}

func fileLines(files map[string]file) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f := files[name]
		body, _ := base64.StdEncoding.DecodeString(f.Body)
		out = append(out, fmt.Sprintf("%s %.16s %.200q", name, f.SHA256, body))
	}
	return out
}

func configText(config any) string {
	if m, ok := config.(map[string]any); ok && len(m) == 0 {
		config = nil
	}
	text, err := json.Marshal(config)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func both(theirs, mine []string) string {
	var sb strings.Builder
	for _, l := range theirs {
		if !slices.Contains(mine, l) {
			sb.WriteString("\tcloud-init: " + l + "\n")
		}
	}
	for _, l := range mine {
		if !slices.Contains(theirs, l) {
			sb.WriteString("\tboothook:   " + l + "\n")
		}
	}
	if sb.Len() == 0 {
		sb.WriteString("\tthe order or count is different\n")
	}
	return strings.TrimSuffix(sb.String(), "\n")
}
