package jobs

import (
	"path"
	"slices"
	"strings"

	"boothook/injector/plan"
	"boothook/netboot/instance"
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
	Why      plan.Why
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

// wishes plans what becomes of services. What cannot be done is a problem.
func (b *builder) wishes() {
	preset := ""
	for i := 0; i < len(b.Wishes) && i < maxWishes; i++ { // systemd's Also= adds to them
		w := &b.Wishes[i]
		problem := "is no name of a service"
		if isServiceName(w.Name) {
			if problem = b.wish(w); problem == "" && (w.Do == Enable || w.Do == Disable) {
				preset += w.Do + " " + w.Name + "\n"
			}
		}
		if problem != "" {
			b.result.Problems = append(b.result.Problems, instance.Problem{Origin: w.Why.Origin, Part: w.Why.Part,
				Line: w.Why.Line, Message: w.Do + " " + w.Name + ": " + problem})
		}
	}
	if preset != "" && b.Facts.Init == plan.Systemd {
		b.step(&plan.Step{Kind: plan.File, Path: presets, Body: []byte(preset), Mode: 0o644, Why: b.Wishes[0].Why})
	}
}

func isServiceName(s string) bool { return s != "" && s[0] != '.' && !strings.ContainsAny(s, "/\x00\n ") }

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
	var base, file, start string
	switch init {
	case plan.Upstart:
		return b.override(w)
	case plan.Sysvinit:
		base, file = "/etc", "/etc/init.d/"+w.Name
	case plan.OpenRC:
		base, file, start = "/etc/runlevels", "/etc/init.d/"+w.Name, "/etc/runlevels/default/"
	case plan.Runit:
		base, file, start = "/etc/runit/runsvdir", "/etc/sv/"+w.Name, runitDefault
	default:
		return "init " + string(init) + " has no services"
	}
	links := b.links(base, w.Name)
	switch {
	case w.Do != Enable:
		for _, l := range links {
			b.remove(w, l)
			if base == "/etc" { // as update-rc.d does, so that it stays so
				b.link(w, path.Dir(l)+"/K01"+w.Name, "../init.d/"+w.Name)
			}
		}
	case len(links) > 0:
	case start != "":
		b.link(w, start+w.Name, file)
	default:
		b.step(&plan.Step{Kind: plan.File, Path: legacyOrdering, Mode: 0o644, Why: w.Why})
		for _, level := range "2345" {
			b.link(w, "/etc/rc"+string(level)+".d/S98"+w.Name, "../init.d/"+w.Name)
		}
	}
	return ""
}

func (b *builder) link(w *Wish, at, to string) {
	b.step(&plan.Step{Kind: plan.Link, Path: at, Target: to, Why: w.Why})
}

func (b *builder) remove(w *Wish, at string) {
	b.step(&plan.Step{Kind: plan.Remove, Path: at, Why: w.Why})
}

// links are those by which an init starts a service: in the directories below
// base, which for sysvinit are /etc/rc?.d, and there with its number.
func (b *builder) links(base, name string) []string {
	var found []string
	dirs, _ := b.Root.ReadDir(base) // absent is empty, here and below
	for _, dir := range dirs {
		numbered := base == "/etc"
		if numbered && !(strings.HasPrefix(dir, "rc") && strings.HasSuffix(dir, ".d")) {
			continue
		}
		entries, _ := b.Root.ReadDir(base + "/" + dir)
		for _, e := range entries {
			if e == name && !numbered || numbered && len(e) > 3 && e[0] == 'S' && e[3:] == name {
				found = append(found, base+"/"+dir+"/"+e)
			}
		}
	}
	return found
}

// override is how upstart keeps a job from starting by itself.
func (b *builder) override(w *Wish) string {
	if w.Do == Enable {
		return "upstart starts every job that is there"
	}
	b.step(&plan.Step{Kind: plan.File, Path: upstartDir + "/" + w.Name + ".override", Body: []byte("manual\n"),
		Append: true, Mode: 0o644, Why: w.Why})
	return ""
}

// runlevel plans what inittab(5) and upstart's rc-sysinit start with.
func (b *builder) runlevel(w *Wish) string {
	if len(w.Name) != 1 || w.Name[0] < '1' || w.Name[0] > '5' {
		return "a runlevel is a number from 1 to 5"
	}
	s := plan.Step{Kind: plan.File, Mode: 0o644, Why: w.Why}
	switch b.Facts.Init {
	case plan.Upstart:
		s.Path, s.Append = upstartDir+"/rc-sysinit.override", true
		s.Body = []byte("env DEFAULT_RUNLEVEL=" + w.Name + "\n")
	case plan.Sysvinit:
		s.Path = "/etc/inittab"
		text, _ := b.Root.ReadFileMax(s.Path, maxUnit)
		for line := range strings.Lines(string(text)) {
			if f := strings.Split(line, ":"); len(f) > 3 && f[2] == "initdefault" && line[0] != '#' {
				f[1] = w.Name
				line = strings.Join(f, ":")
			}
			s.Body = append(s.Body, line...)
		}
	default:
		return "init " + string(b.Facts.Init) + " has no numbered runlevels"
	}
	b.step(&s)
	return ""
}

// unitDirs are where units are, the first one first.
var unitDirs = []string{systemdUnits, "/usr/local/lib/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system"}

// unit finds a unit by its file's name, among what is planned and in the root.
func (b *builder) unit(name string) (file, text string) {
	for _, dir := range unitDirs {
		file = dir + "/" + name
		for _, steps := range [][]plan.Step{b.result.Steps, b.Planned} {
			for i := range steps {
				if s := &steps[i]; s.Path == file && s.Kind == plan.File {
					return file, string(s.Body)
				}
			}
		}
		if body, err := b.Root.ReadFileMax(file, maxUnit); err == nil {
			return file, string(body)
		}
	}
	return "", ""
}

// systemdWish plans the links that systemctl would make or take away.
func (b *builder) systemdWish(w *Wish) string {
	switch ext := path.Ext(w.Name); {
	case w.Do == Target && len(w.Name) == 1:
		w.Name = "runlevel" + w.Name + ".target"
	case w.Do == Target && ext != ".target":
		w.Name += ".target"
	case !strings.Contains(" .service .socket .timer .path .mount .automount .swap .target .slice ", " "+ext+" "):
		w.Name += ".service"
	}
	if w.Do == Mask {
		b.link(w, systemdUnits+"/"+w.Name, "/dev/null")
		return ""
	}
	if w.Do == Disable {
		for _, l := range b.links(systemdUnits, w.Name) {
			b.remove(w, l)
		}
	}
	// An instance is started from its template's file.
	name, of := w.Name, ""
	if before, rest, ok := strings.Cut(name, "@"); ok {
		of = strings.TrimSuffix(rest, path.Ext(rest))
		name = before + "@" + path.Ext(rest)
		if of == "" {
			return "is a template: name an instance of it"
		}
	}
	file, text := b.unit(name)
	switch {
	case file == "":
		return "there is no such unit"
	case w.Do == Target:
		b.link(w, systemdUnits+"/default.target", file)
		return ""
	case !b.install(w, file, text, of) && w.Do == Enable:
		return "its [Install] section does not say by what it is wanted"
	}
	return ""
}

// install follows the [Install] section of a unit, which is instance "of" of
// its template; false if that says nothing.
func (b *builder) install(w *Wish, file, text, of string) (any bool) {
	section := ""
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = line
		}
		key, value, _ := strings.Cut(line, "=")
		if section != "[Install]" {
			continue
		}
		value = strings.NewReplacer("%i", of, "%n", w.Name).Replace(value)
		for _, name := range strings.Fields(value) {
			if !isServiceName(name) {
				continue
			}
			at := systemdUnits + "/" + name
			switch key = strings.TrimSpace(key); key {
			case "WantedBy":
				at += ".wants/" + w.Name
			case "RequiredBy":
				at += ".requires/" + w.Name
			case "UpheldBy":
				at += ".upholds/" + w.Name
			case "Also":
				also := Wish{Do: w.Do, Name: name, Why: w.Why}
				if !slices.Contains(b.Wishes, also) {
					b.Wishes = append(b.Wishes, also)
				}
				any = true
				continue
			case "Alias":
			default:
				continue
			}
			any = true
			if w.Do == Enable {
				b.link(w, at, file)
			} else if key == "Alias" {
				b.remove(w, at)
			}
		}
	}
	return any
}
