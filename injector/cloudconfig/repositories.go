package cloudconfig

import (
	"path"
	"strings"

	"boothook/injector/plan"
)

// yumRepos plans one .repo file for each of yum_repos.
func yumRepos(b *builder) {
	dir := b.cfg.Get("yum_repo_dir").Scalar()
	if dir == "" {
		dir = "/etc/yum.repos.d"
	}
	for _, e := range b.cfg.Get("yum_repos").Map {
		id := repoID(e.Key.Scalar())
		if e.Value.Get("baseurl").Missing() && e.Value.Get("metalink").Missing() && e.Value.Get("mirrorlist").Missing() {
			b.fail(e.Key, "yum_repos: %s has no baseurl, metalink or mirrorlist", id)
			continue
		}
		b.repo(path.Join("/", dir, id+".repo"), id, e)
	}
}

// zypperRepos plans one .repo file for each of zypper.repos.
func zypperRepos(b *builder) {
	v := b.cfg.Get("zypper")
	if at := v.Get("config"); !at.Missing() {
		b.fail(at, "zypper: config is not handled by boothook")
	}
	for _, repo := range v.Get("repos").Items() {
		id := repoID(repo.Get("id").Scalar())
		if id == "" || repo.Get("baseurl").Missing() {
			b.fail(repo, "zypper: a repository needs an id and a baseurl")
			continue
		}
		b.repo("/etc/zypp/repos.d/"+id+".repo", id, Entry{repo.Get("id"), repo})
	}
}

// guarded plans a file that only root may read if there is a password in it,
// and that is shown nowhere then. cloud-init leaves it to everybody; package
// managers need it as root alone, and as somebody else warn at most.
func (b *builder) guarded(s *plan.Step) {
	text := string(s.Body)
	for rest := text; ; {
		_, after, found := strings.Cut(rest, "://")
		if !found {
			break
		}
		user, _, _ := strings.Cut(after, "/")
		if strings.Contains(user, "@") {
			s.Mode, s.Secret = 0o600, true
		}
		rest = after
	}
	if strings.Contains(strings.ToLower(text), "password") {
		s.Mode, s.Secret = 0o600, true
	}
	b.step(s)
}

func repoID(s string) string { return strings.NewReplacer(" ", "-", "/", "-", "\n", "-").Replace(s) }

// repo writes a repository in the form of an INI file, keys in their order.
func (b *builder) repo(file, id string, e Entry) {
	var s strings.Builder
	s.WriteString("# Written by boothook from cloud-config.\n[" + id + "]\n")
	if e.Value.Get("name").Missing() {
		s.WriteString("name = " + id + "\n")
	}
	for _, kv := range e.Value.Map {
		if kv.Key.Scalar() == "id" {
			continue
		}
		s.WriteString(kv.Key.Scalar() + " = " + repoValue(kv.Value) + "\n")
	}
	b.guarded(&plan.Step{Kind: plan.File, Path: file, Body: []byte(s.String()), Mode: 0o644, Why: e.Key.why("repositories")})
}

// repoValue writes booleans as 0 and 1 and lists on lines of their own.
func repoValue(v *Value) string {
	switch v.Kind {
	case Bool:
		if v.Bool {
			return "1"
		}
		return "0"
	case List:
		var items []string
		for _, item := range v.List {
			items = append(items, oneLine(item.Scalar()))
		}
		return strings.Join(items, "\n    ")
	}
	return oneLine(v.Scalar())
}

// apkRepos plans /etc/apk/repositories.
func apkRepos(b *builder) {
	v := b.cfg.Get("apk_repos")
	if v.Get("preserve_repositories").Truth(false) {
		return
	}
	alpine := v.Get("alpine_repo")
	base, version := alpine.Get("base_url").Scalar(), alpine.Get("version").Scalar()
	if base == "" {
		base = "https://alpine.global.ssl.fastly.net/alpine"
	}
	if version == "" {
		b.fail(v, "apk_repos: alpine_repo needs a version")
		return
	}
	lines := []string{base + "/" + version + "/main"}
	if alpine.Get("community_enabled").Truth(false) {
		lines = append(lines, base+"/"+version+"/community")
	}
	if alpine.Get("testing_enabled").Truth(false) {
		lines = append(lines, base+"/edge/testing")
	}
	if local := v.Get("local_repo_base_url").Scalar(); local != "" {
		lines = append(lines, local+"/"+version)
	}
	for i := range lines {
		lines[i] = oneLine(lines[i])
	}
	b.guarded(&plan.Step{
		Kind: plan.File, Path: "/etc/apk/repositories", Mode: 0o644,
		Body: []byte("# Written by boothook from cloud-config.\n" + strings.Join(lines, "\n") + "\n"), Why: v.why("apk_repos"),
	})
}

// isInterface says whether the kernel takes a name for a network interface.
func isInterface(s string) bool {
	return s != "" && len(s) < 16 && s != "." && s != ".." && !strings.ContainsAny(s, "/: \t\n\v\f\r\x00")
}

// wireguard plans the interfaces' configurations and starts them at boot.
func wireguard(b *builder) {
	for _, v := range b.cfg.Get("wireguard").Get("interfaces").Items() {
		name, file := v.Get("name").Scalar(), v.Get("config_path").Scalar()
		body := v.Get("content").Scalar()
		if !isInterface(name) || body == "" {
			b.fail(v, "wireguard: an interface needs a name and content")
			continue
		}
		if file == "" {
			file = "/etc/wireguard/" + name + ".conf"
		}
		why := v.why("wireguard")
		b.step(&plan.Step{Kind: plan.File, Path: path.Clean("/" + file), Body: []byte(body), Mode: 0o600, Secret: true, Why: why})
		if b.Facts.Init != plan.Systemd {
			b.warn(v, "wireguard: %s is configured, but only systemd is told to start it", name)
			continue
		}
		b.step(&plan.Step{
			Kind: plan.Link, Path: "/etc/systemd/system/multi-user.target.wants/wg-quick@" + name + ".service",
			Target: "/lib/systemd/system/wg-quick@.service", Why: why,
		})
	}
}
