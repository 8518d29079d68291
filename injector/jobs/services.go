package jobs

import (
	"path"
	"strings"

	"boothook/injector/plan"
	"boothook/injector/userdata"
)

// What a Wish may ask for.
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

// A Wish is what cloud-config says of a service that is in the root or is
// written by the same user-data, or of the target to boot to.
type Wish struct {
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
	// maxWishes bounds the services of one cloud-config, those included that
	// Also= adds.
	maxWishes = 1024
	// presets has the wishes once more for a root that systemd takes to be on
	// its first boot (a machine-id of "uninitialized"): there the presets
	// overrule the links.
	presets = "/etc/systemd/system-preset/10-boothook.preset"
)

// nothing is said of a service that is not there to be disabled.
const nothing = "nothing starts it here"

// wishes plans what becomes of services. What cannot be done is a problem.
func (b *builder) wishes() {
	for i := 0; i < len(b.Wishes) && i < maxWishes; i++ { // systemd's Also= adds to them
		w := &b.Wishes[i]
		problem := "is no name of a service"
		if isServiceName(w.Name) {
			if problem = b.wish(w); problem == "" && w.Do != Mask && w.Do != Target {
				b.preset += w.Do + " " + w.Name + "\n"
			}
		}
		if problem != "" {
			b.fail(&userdata.Part{Name: w.Why.Part, Origin: w.Why.Origin}, w.Why.Line, w.Do+" "+w.Name+": "+problem)
			b.result.Problems[len(b.result.Problems)-1].Warning = problem == nothing
		}
	}
	if b.preset != "" && b.Facts.Init == plan.Systemd {
		b.put(&b.Wishes[0], plan.File, presets, b.preset)
		b.whole()
	}
}

func isServiceName(s string) bool {
	return s != "" && s[0] != '.' && !strings.ContainsAny(s, "/\x00\n ")
}

// put plans a step for a wish: a link to text, the removal of what is there, or
// a file to whose end text is added.
func (b *builder) put(w *Wish, kind plan.Kind, at, text string) {
	s := plan.Step{Kind: kind, Path: at, Why: *w.Why}
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

// wish plans one, and says why it cannot.
func (b *builder) wish(w *Wish) string {
	init := b.Facts.Init
	if init == plan.Systemd {
		return b.systemdWish(w)
	}
	w.Name = strings.TrimSuffix(w.Name, ".service")
	if w.Do == Target {
		return b.runlevel(w)
	}
	base, file, start := "/etc", "/etc/init.d/"+w.Name, ""
	switch init {
	case plan.Upstart:
		if w.Do == Enable {
			return "upstart starts every job that is there"
		}
		b.put(w, plan.File, upstartDir+"/"+w.Name+".override", "manual\n")
		return ""
	case plan.Sysvinit:
	case plan.OpenRC:
		base, start = "/etc/runlevels", "/etc/runlevels/default/"
	case plan.Runit:
		base, file, start = "/etc/runit/runsvdir", "/etc/sv/"+w.Name+"/run", runitDefault
	default:
		return "init " + string(init) + " has no services"
	}
	links := b.links(base, w.Name)
	if w.Do != Enable {
		if len(links) == 0 && init == plan.Runit { // Debian's also runs these
			links, start = b.links("/etc", w.Name), ""
		}
		if len(links) == 0 {
			return nothing
		}
		for _, l := range links {
			b.put(w, plan.Remove, l, "")
			if start == "" { // as update-rc.d does, so that it stays so
				b.put(w, plan.Link, path.Dir(l)+"/K01"+w.Name, "../init.d/"+w.Name)
			}
		}
	} else if _, ok := b.find(file); !ok {
		return "there is no such service"
	} else if start != "" {
		b.put(w, plan.Link, start+w.Name, strings.TrimSuffix(file, "/run"))
	} else if len(links) == 0 {
		b.put(w, plan.File, legacyOrdering, "")
		for _, level := range [...]string{"2", "3", "4", "5"} {
			b.put(w, plan.Link, "/etc/rc"+level+".d/S98"+w.Name, "../init.d/"+w.Name)
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
func (b *builder) runlevel(w *Wish) string {
	if len(w.Name) != 1 || w.Name[0] < '1' || w.Name[0] > '5' {
		return "a runlevel is a number from 1 to 5"
	}
	switch b.Facts.Init {
	case plan.Upstart:
		b.put(w, plan.File, upstartDir+"/rc-sysinit.override", "env DEFAULT_RUNLEVEL="+w.Name+"\n")
	case plan.Sysvinit:
		text, _ := b.Root.ReadFileMax("/etc/inittab", maxUnit)
		lines := strings.Split(string(text), "\n")
		for i, line := range lines {
			if f := strings.Split(line, ":"); len(f) > 3 && f[2] == "initdefault" && line[0] != '#' {
				f[1] = w.Name
				lines[i] = strings.Join(f, ":")
			}
		}
		b.put(w, plan.File, "/etc/inittab", strings.Join(lines, "\n"))
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

// systemdWish plans the links that systemctl would make or take away.
func (b *builder) systemdWish(w *Wish) string {
	kind := path.Ext(w.Name)
	if w.Do == Target {
		if kind != ".target" {
			if len(w.Name) == 1 {
				w.Name = "runlevel" + w.Name
			}
			w.Name += ".target"
		}
	} else if kind == "" || !strings.Contains(" .service .socket .timer .path .mount .automount .swap .target .slice ", " "+kind+" ") {
		w.Name += ".service"
	}
	if w.Do == Mask {
		b.put(w, plan.Link, systemdUnits+"/"+w.Name, "/dev/null")
		return ""
	}
	disabled := false
	if w.Do == Disable {
		for _, l := range b.links(systemdUnits, w.Name) {
			b.put(w, plan.Remove, l, "")
			disabled = true
		}
	}
	// An instance is started from its template's file.
	name, of := w.Name, ""
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
		if w.Do == Disable {
			return nothing
		}
		return "there is no such unit"
	}
	if w.Do == Target {
		b.put(w, plan.Link, systemdUnits+"/default.target", file)
	} else if !b.install(w, file, text, of) && w.Do == Enable {
		return "its [Install] section does not say by what it is wanted"
	}
	return ""
}

// install follows the [Install] section of a unit, which is instance "of" of
// its template; false if that says nothing.
func (b *builder) install(w *Wish, file, text, of string) (any bool) {
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
					b.Wishes = append(b.Wishes, Wish{w.Do, name, w.Why})
				}
				continue
			case "WantedBy":
				at += ".wants/" + w.Name
			case "RequiredBy":
				at += ".requires/" + w.Name
			case "UpheldBy":
				at += ".upholds/" + w.Name
			case "Alias":
			default:
				continue
			}
			any = true
			if w.Do == Enable {
				b.put(w, plan.Link, at, file)
			} else if key == "Alias" {
				b.put(w, plan.Remove, at, "")
			}
		}
	}
	return any
}
