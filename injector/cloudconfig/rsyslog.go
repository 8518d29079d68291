package cloudconfig

import (
	"path"
	"slices"
	"sort"
	"strings"

	"boothook/injector/plan"
)

// rsyslog plans files below /etc/rsyslog.d: configs, and the remote servers.
func rsyslog(b *builder) {
	v := b.cfg.Get("rsyslog")
	dir, file := "/etc/rsyslog.d", "20-cloud-config.conf"
	configs := v // the old form is a plain list
	if v.Kind == Map {
		configs = v.Get("configs")
		if s := v.Get("config_dir").Scalar(); s != "" {
			dir = s
		}
		if s := v.Get("config_filename").Scalar(); s != "" {
			file = s
		}
	}
	bodies := map[string]string{}
	var order []string
	add := func(name, text string) {
		name = path.Join("/", dir, path.Clean("/"+name))
		if _, ok := bodies[name]; !ok {
			order = append(order, name)
		}
		bodies[name] += strings.TrimSuffix(text, "\n") + "\n"
	}
	for _, item := range configs.Items() {
		name, text := file, item.Scalar()
		if item.Kind == Map {
			text = item.Get("content").Scalar()
			if s := item.Get("filename").Scalar(); s != "" {
				name = s
			}
		}
		if text == "" {
			b.fail(item, "an entry of rsyslog configs has no content")
			continue
		}
		add(name, text)
	}
	remotes := slices.Clone(v.Get("remotes").Map)
	sort.SliceStable(remotes, func(i, j int) bool { return remotes[i].Key.Text < remotes[j].Key.Text })
	for _, e := range remotes {
		if e.Value.Scalar() == "" || strings.ContainsAny(e.Value.Scalar()+e.Key.Scalar(), "\n") {
			continue
		}
		selector, server, ok := strings.Cut(e.Value.Scalar(), " ")
		if !ok {
			selector, server = "*.*", selector
		}
		if !strings.HasPrefix(server, "@") {
			server = "@" + server
		}
		add(file, selector+" "+server+" # "+e.Key.Scalar())
	}
	for _, name := range order {
		b.step(&plan.Step{Kind: plan.File, Path: name, Body: []byte(bodies[name]), Mode: 0o644, Why: v.why("rsyslog")})
	}
}
