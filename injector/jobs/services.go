package jobs

import (
	"path"
	"strings"

	"boothook/injector/plan"
	"boothook/injector/userdata"
)

// What a ServiceAction may be.
const (
	// Enable starts a service with the boot: under systemd as its [Install]
	// section says, elsewhere in the default runlevel, behind all others.
	Enable = "enable"
	// Disable takes a service out of what the init starts by itself.
	Disable = "disable"
	// Mask keeps a service from being started at all under systemd, by a link
	// to /dev/null; other inits know no more than Disable.
	Mask = "mask"
	// Target makes a systemd target, or the runlevel of that number, the one
	// that is booted to.
	Target = "target"
)

// A ServiceAction is what cloud-config asks for a service that is in the root or
// is written by the same user-data, or for the target to boot to.
type ServiceAction struct {
	Do, Name string
	Why      *plan.Why
}

// A Reader looks into the root: at names in directories and at small files.
type Reader interface {
	ReadDir(path string) ([]string, error)
	ReadFileMax(path string, limit int64) ([]byte, error)
}

const (
	// maxUnit bounds a unit or inittab that is read, in bytes.
	maxUnit = 1 << 20
	// maxServices bounds the services of one cloud-config, those included that
	// Also= adds.
	maxServices = 1024
	// presets has the actions once more for a root that systemd takes to be on
	// its first boot (a machine-id of "uninitialized"): there the presets
	// overrule the links.
	presets = "/etc/systemd/system-preset/10-boothook.preset"
)

// nothing is said of a service that is not there to be disabled.
const nothing = "nothing starts it here"

// services plans what becomes of services. What cannot be done is a problem.
func (b *builder) services() {
	for i := 0; i < len(b.Services) && i < maxServices; i++ { // systemd's Also= adds to them
		action := &b.Services[i]
		problem := "is no name of a service"
		if isServiceName(action.Name) {
			if problem = b.service(action); problem == "" && action.Do != Mask && action.Do != Target {
				b.preset += action.Do + " " + action.Name + "\n"
			}
		}
		if problem != "" {
			b.fail(&userdata.Part{Name: action.Why.Part, Origin: action.Why.Origin}, action.Why.Line, action.Do+" "+action.Name+": "+problem)
			b.result.Problems[len(b.result.Problems)-1].Warning = problem == nothing
		}
	}
	if b.preset != "" && b.Facts.Init == plan.Systemd {
		b.put(&b.Services[0], plan.File, presets, b.preset)
		b.whole()
	}
}

func isServiceName(s string) bool {
	return s != "" && s[0] != '.' && !strings.ContainsAny(s, "/\x00\n ")
}

// put plans a step for an action: a link to text, the removal of what is there, or
// a file to whose end text is added.
func (b *builder) put(action *ServiceAction, kind plan.Kind, at, text string) {
	s := plan.Step{Kind: kind, Path: at, Why: *action.Why}
	switch kind {
	case plan.Link:
		s.Target = text
	case plan.File:
		s.Body, s.Mode, s.Append = []byte(text), 0o644, text != ""
	}
	b.step(&s)
}

// whole makes a file of the last step, for all that is there.
func (b *builder) whole() { b.result.Steps[len(b.result.Steps)-1].Append = false }

// service plans one action, and says why it cannot.
func (b *builder) service(action *ServiceAction) string {
	init := b.Facts.Init
	if init == plan.Systemd {
		return b.systemdService(action)
	}
	action.Name = strings.TrimSuffix(action.Name, ".service")
	if action.Do == Target {
		return b.runlevel(action)
	}
	base, file, start := "/etc", "/etc/init.d/"+action.Name, ""
	switch init {
	case plan.Upstart:
		if action.Do == Enable {
			return "upstart starts every job that is there"
		}
		b.put(action, plan.File, upstartDir+"/"+action.Name+".override", "manual\n")
		return ""
	case plan.Sysvinit:
	case plan.OpenRC:
		base, start = "/etc/runlevels", "/etc/runlevels/default/"
	case plan.Runit:
		base, file, start = "/etc/runit/runsvdir", "/etc/sv/"+action.Name+"/run", runitDefault
	default:
		return "init " + string(init) + " has no services"
	}
	links := b.links(base, action.Name)
	if action.Do != Enable {
		if len(links) == 0 && init == plan.Runit { // Debian's also runs these
			links, start = b.links("/etc", action.Name), ""
		}
		if len(links) == 0 {
			return nothing
		}
		for _, l := range links {
			b.put(action, plan.Remove, l, "")
			if start == "" { // as update-rc.d does, so that it stays so
				b.put(action, plan.Link, path.Dir(l)+"/K01"+action.Name, "../init.d/"+action.Name)
			}
		}
	} else if _, ok := b.find(file); !ok {
		return "there is no such service"
	} else if start != "" {
		b.put(action, plan.Link, start+action.Name, strings.TrimSuffix(file, "/run"))
	} else if len(links) == 0 {
		b.put(action, plan.File, legacyOrdering, "")
		for _, level := range [...]string{"2", "3", "4", "5"} {
			b.put(action, plan.Link, "/etc/rc"+level+".d/S98"+action.Name, "../init.d/"+action.Name)
		}
	}
	return ""
}

// links are those by which an init starts a service: in the directories below
// base, which for sysvinit are /etc/rc?.d, and there with its number.
func (b *builder) links(base, name string) (found []string) {
	dirs, _ := b.Root.ReadDir(base) // absent is empty, here and below
	for _, dir := range dirs {
		number := 0
		if base == "/etc" {
			if number = len("S00"); len(dir) != len("rc2.d") || dir[:2] != "rc" {
				continue
			}
		}
		dir = base + "/" + dir
		entries, _ := b.Root.ReadDir(dir)
		for _, e := range entries {
			if strings.HasSuffix(e, name) && len(e) == len(name)+number && (number == 0 || e[0] == 'S') {
				found = append(found, dir+"/"+e)
			}
		}
	}
	return found
}

// runlevel plans what inittab(5) and upstart's rc-sysinit start with.
func (b *builder) runlevel(action *ServiceAction) string {
	if len(action.Name) != 1 || action.Name[0] < '1' || action.Name[0] > '5' {
		return "a runlevel is a number from 1 to 5"
	}
	switch b.Facts.Init {
	case plan.Upstart:
		b.put(action, plan.File, upstartDir+"/rc-sysinit.override", "env DEFAULT_RUNLEVEL="+action.Name+"\n")
	case plan.Sysvinit:
		text, _ := b.Root.ReadFileMax("/etc/inittab", maxUnit)
		lines := strings.Split(string(text), "\n")
		for i, line := range lines {
			if f := strings.Split(line, ":"); len(f) > 3 && f[2] == "initdefault" && line[0] != '#' {
				f[1] = action.Name
				lines[i] = strings.Join(f, ":")
			}
		}
		b.put(action, plan.File, "/etc/inittab", strings.Join(lines, "\n"))
		b.whole()
	default:
		return "init " + string(b.Facts.Init) + " has no numbered runlevels"
	}
	return ""
}

// unit finds a unit by its file's name.
func (b *builder) unit(name string) (file, text string) {
	for _, dir := range [...]string{systemdUnits, "/usr/local/lib/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system"} {
		file = dir + "/" + name
		if body, ok := b.find(file); ok {
			return file, string(body)
		}
	}
	return "", ""
}

// find gives a file as it will be: as planned, or else as it is in the root.
func (b *builder) find(file string) (body []byte, ok bool) {
	steps := b.Planned
	for range 2 {
		for i := range steps {
			if s := &steps[i]; s.Path == file && s.Kind == plan.File {
				return s.Body, true
			}
		}
		steps = b.result.Steps
	}
	body, err := b.Root.ReadFileMax(file, maxUnit)
	return body, err == nil
}

// systemdService plans the links that systemctl would make or take away.
func (b *builder) systemdService(action *ServiceAction) string {
	kind := path.Ext(action.Name)
	if action.Do == Target {
		if kind != ".target" {
			if len(action.Name) == 1 {
				action.Name = "runlevel" + action.Name
			}
			action.Name += ".target"
		}
	} else if kind == "" || !strings.Contains(" .service .socket .timer .path .mount .automount .swap .target .slice ", " "+kind+" ") {
		action.Name += ".service"
	}
	if action.Do == Mask {
		b.put(action, plan.Link, systemdUnits+"/"+action.Name, "/dev/null")
		return ""
	}
	disabled := false
	if action.Do == Disable {
		for _, l := range b.links(systemdUnits, action.Name) {
			b.put(action, plan.Remove, l, "")
			disabled = true
		}
	}
	// An instance is started from its template's file.
	name, of := action.Name, ""
	if before, rest, ok := strings.Cut(name, "@"); ok {
		kind = path.Ext(rest)
		if of = strings.TrimSuffix(rest, kind); of == "" {
			return "is a template: name an instance of it"
		}
		name = before + "@" + kind
	}
	file, text := b.unit(name)
	if file == "" {
		if disabled {
			return ""
		}
		if action.Do == Disable {
			return nothing
		}
		return "there is no such unit"
	}
	if action.Do == Target {
		b.put(action, plan.Link, systemdUnits+"/default.target", file)
	} else if !b.install(action, file, text, of) && action.Do == Enable {
		return "its [Install] section does not say by what it is wanted"
	}
	return ""
}

// install follows the [Install] section of a unit, which is instance "of" of
// its template; false if that says nothing.
func (b *builder) install(action *ServiceAction, file, text, of string) (any bool) {
	section := ""
	for _, line := range strings.Split(strings.ReplaceAll(text, "\\\n", " "), "\n") {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = line
		}
		key, value, _ := strings.Cut(line, "=")
		if section != "[Install]" {
			continue
		}
		key = strings.TrimSpace(key)
		for _, name := range strings.Fields(strings.ReplaceAll(value, "%i", of)) {
			if !isServiceName(name) {
				continue
			}
			at := systemdUnits + "/" + name
			switch key {
			case "Also":
				any = true
				if !strings.Contains(b.preset, " "+name+"\n") {
					b.Services = append(b.Services, ServiceAction{action.Do, name, action.Why})
				}
				continue
			case "WantedBy":
				at += ".wants/" + action.Name
			case "RequiredBy":
				at += ".requires/" + action.Name
			case "UpheldBy":
				at += ".upholds/" + action.Name
			case "Alias":
			default:
				continue
			}
			any = true
			if action.Do == Enable {
				b.put(action, plan.Link, at, file)
			} else if key == "Alias" {
				b.put(action, plan.Remove, at, "")
			}
		}
	}
	return any
}
