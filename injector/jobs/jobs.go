package jobs

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"boothook/injector/plan"
	"boothook/injector/state"
	"boothook/injector/userdata"
	"boothook/netboot/instance"
)

// A Context is what planning jobs knows besides the parts.
type Context struct {
	Facts plan.Facts
	// InstanceDir is the instance's own directory in the root, such as
	// /var/lib/cloud/instances/i-0abc; /var/lib/cloud/instance leads to it.
	InstanceDir string
	// DisableCloudInit asks that a cloud-init in the root does not run.
	DisableCloudInit bool
	// VendorPrefix is a command through which vendor scripts are run:
	// vendor_data.prefix of the cloud-config.
	VendorPrefix []string
	// Services is what is to become of services; Planned, the steps that stand
	// already, and Root, which must be there if anything is, say what they are.
	// Root also says what an earlier instance has left.
	Services []ServiceAction
	Planned  []plan.Step
	Root     Reader
}

// A Result is what the parts come to.
type Result struct {
	Steps    []plan.Step
	Problems []instance.Problem
}

// Plan plans the scripts and jobs among the parts, the late job that runs
// them, what becomes of services, and the end of a cloud-init in the root. Parts of other types are
// left to others. A part that cannot be used is a problem and takes no other
// along.
func Plan(ctx Context, parts, vendor []userdata.Part) Result {
	b := &builder{Context: ctx, written: map[string]string{}, jobs: map[string]bool{}, overrides: map[string][]*userdata.Part{}}
	b.findJobs(vendor)
	b.findJobs(parts)
	for i := range vendor {
		b.part(&vendor[i], true)
	}
	for i := range parts {
		b.part(&parts[i], false)
	}
	if ctx.Facts.Init == plan.Upstart {
		jobs := b.rootJobs()
		b.planMountEvent(jobs)
		b.planHookEvent(jobs)
	}
	b.services()
	b.late()
	if ctx.DisableCloudInit && ctx.Facts.HasCloudInit {
		b.disableCloudInit()
	}
	return b.result
}

// A builder collects steps; written remembers which part a path belongs to.
type builder struct {
	Context
	written map[string]string
	// jobs are the upstart jobs among the parts, overrides those that are laid
	// over one of that name; mount says that somebody has to emit mount.
	jobs      map[string]bool
	overrides map[string][]*userdata.Part
	mount     bool
	// preset has a line for each service that is enabled or disabled.
	preset string
	result Result
}

func (b *builder) fail(part *userdata.Part, line int, msg string) {
	b.result.Problems = append(b.result.Problems,
		instance.Problem{Origin: part.Origin, Part: part.Name, Line: line, Message: msg})
}

func (b *builder) warn(part *userdata.Part, line int, msg string) {
	b.fail(part, line, msg)
	b.result.Problems[len(b.result.Problems)-1].Warning = true
}

func (b *builder) step(s *plan.Step) { b.result.Steps = append(b.result.Steps, *s) }

// stepOnce is step for what the package itself appends to files of the root: a
// new instance on the same root finds it there.
func (b *builder) stepOnce(s *plan.Step) {
	if s.Append && b.Root != nil {
		if text, err := b.Root.ReadFileMax(s.Path, maxUnit); err == nil && bytes.Contains(text, s.Body) {
			return
		}
	}
	b.step(s)
}

// file plans a file for a part. Of two parts with one name the later stays,
// as in cloud-init.
func (b *builder) file(part *userdata.Part, target string, body []byte, mode uint32) {
	if other, twice := b.written[target]; twice {
		b.warn(part, 0, "has the same name as "+other+" and replaces it")
		for i := range b.result.Steps {
			if b.result.Steps[i].Path == target {
				b.result.Steps = append(b.result.Steps[:i], b.result.Steps[i+1:]...)
				break
			}
		}
	}
	b.written[target] = part.Name
	b.step(&plan.Step{
		Kind: plan.File, Path: target, Body: body, Mode: mode,
		Secret: mode&0o077 == 0, Why: plan.Why{Part: part.Name, Origin: part.Origin},
	})
}

func (b *builder) part(part *userdata.Part, vendor bool) {
	if part.Err != nil {
		return // already reported by the decoder
	}
	switch part.Type {
	case userdata.TypeScript:
		dir := path.Join(b.InstanceDir, "scripts")
		if vendor {
			dir = path.Join(dir, "vendor")
		}
		b.script(part, dir, part.Name)
	case userdata.TypeScriptPerBoot, userdata.TypeScriptPerInstance, userdata.TypeScriptPerOnce:
		frequency := strings.TrimPrefix(part.Type, userdata.TypeScript+"-")
		b.script(part, path.Join("/var/lib/cloud/scripts", frequency), path.Base(part.Name))
	case userdata.TypeUpstartJob:
		b.upstartJob(part)
	}
}

// script saves a script where the late job finds it.
func (b *builder) script(part *userdata.Part, dir, called string) {
	name, err := state.FileName(called)
	if err != nil {
		b.fail(part, 0, "its name cannot be a file's name, so the script is lost")
		return
	}
	body := userdata.UnixLines(part.Body)
	mode := uint32(0o700)
	if !bytes.HasPrefix(body, []byte("#!")) && !bytes.HasPrefix(body, []byte("\x7fELF")) {
		// cloud-init lets the kernel refuse it; a shell would try to run it.
		b.fail(part, 1, "does not start with #!, so it is saved and not run")
		mode = 0o600
	}
	b.file(part, path.Join(dir, name), body, mode)
}

// disabledMarker is what cloud-init's generator for systemd looks for, and its
// scripts for OpenRC.
const disabledMarker = "/etc/cloud/cloud-init.disabled"

// writtenByUs is how the marker begins that boothook writes.
const writtenByUs = "# Written by boothook"

// AskFiles lists the files whose text CloudInitIsOff looks up in Facts.Files.
func AskFiles() []string { return []string{disabledMarker, identifyConfig} }

// CloudInitIsOff says that somebody else than boothook has disabled the root's
// cloud-init.
func CloudInitIsOff(f *plan.Facts) bool {
	text, there := f.Files[disabledMarker]
	return there && !strings.HasPrefix(text, writtenByUs) || neverIdentified(f.Files[identifyConfig])
}

// identifyConfig may tell cloud-init's generator for systemd the same.
const identifyConfig = "/etc/cloud/ds-identify.cfg"

// neverIdentified says that the policy of that file is to run no cloud-init.
func neverIdentified(text string) (off bool) {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "policy" {
			off = slices.Contains(strings.Split(strings.Trim(strings.TrimSpace(value), "\"'"), ","), "disabled")
		}
	}
	return off
}

// disableCloudInit keeps cloud-init from running, for every init.
func (b *builder) disableCloudInit() {
	why := plan.Why{Part: "boothook", Key: "cloud-init"}
	b.step(&plan.Step{
		Kind: plan.File, Path: disabledMarker, Mode: 0o644, KeepExisting: true, Why: why,
		Body: []byte(writtenByUs + ", which has applied this machine's user-data from the initramfs.\n" +
			"# Remove this file to let cloud-init run; it will then apply the user-data again.\n"),
	})
	switch b.Facts.Init {
	case plan.Systemd:
	case plan.Upstart:
		// An override without a job is nothing to upstart.
		for _, job := range [...]string{"cloud-init-local", "cloud-init-blocknet", "cloud-init-nonet", "cloud-init", "cloud-config", "cloud-final"} {
			b.stepOnce(&plan.Step{Kind: plan.File, Path: upstartDir + "/" + job + ".override", Body: []byte("manual\n"), Append: true, Mode: 0o644, Why: why})
		}
	default:
		// Debian's init scripts of cloud-init source this.
		b.stepOnce(&plan.Step{Kind: plan.File, Path: "/etc/default/cloud-init", Append: true, Mode: 0o644, Why: why,
			Body: []byte("[ ! -e " + disabledMarker + " ] || exit 0 # written by boothook\n")})
	}
}
