package upstart

import (
	"slices"
	"strings"
)

func (p *parser) respawn() error {
	if !p.hasToken() {
		p.job.Respawn = true
		return p.endLine()
	}
	if err := p.second("limit"); err != nil {
		return err
	}
	at := p.mark()
	s, err := p.argument()
	if err != nil {
		return err
	}
	limit := RespawnLimit{}
	if s != "unlimited" {
		n, ok := parseLong(s)
		// upstart keeps an int, which the number is cut down to.
		if limit.Count = int32(n); !ok || limit.Count < 0 {
			return p.failAt(IllegalLimit, at)
		}
		if limit.Interval, err = p.long(IllegalInterval, 0, 1<<63-1); err != nil {
			return err
		}
	}
	p.job.RespawnLimit = &limit
	return p.endLine()
}

// long reads one argument as C's strtol does, and its range.
func (p *parser) long(kind Kind, low, high int64) (int64, error) {
	at := p.mark()
	s, err := p.argument()
	if err != nil {
		return 0, err
	}
	n, ok := parseLong(s)
	if !ok || n < low || n > high {
		return 0, p.failAt(kind, at)
	}
	return n, nil
}

func (p *parser) normal() error {
	if err := p.second("exit"); err != nil {
		return err
	}
	for first := true; first || p.hasToken(); first = false {
		at := p.mark()
		s, err := p.argument()
		if err != nil {
			return err
		}
		status, ok := parseSignal(s)
		if !ok {
			return p.failAt(IllegalExit, at)
		}
		if signals[strings.TrimPrefix(s, "SIG")] != 0 {
			status <<= 8
		}
		p.job.NormalExit = append(p.job.NormalExit, status)
	}
	return p.endLine()
}

func (p *parser) kill() error {
	if err := p.second("timeout", "signal"); err != nil {
		return err
	}
	if p.sub == "signal" {
		return p.signal(&p.job.KillSignal)
	}
	n, err := p.long(IllegalInterval, 0, 1<<63-1)
	if err != nil {
		return err
	}
	p.job.KillTimeout = &n
	return p.endLine()
}

func (p *parser) reload() error {
	if err := p.second("signal"); err != nil {
		return err
	}
	return p.signal(&p.job.ReloadSignal)
}

func (p *parser) signal(field **int) error {
	at := p.mark()
	s, err := p.argument()
	if err != nil {
		return err
	}
	n, ok := parseSignal(s)
	if !ok {
		return p.failAt(IllegalSignal, at)
	}
	*field = &n
	return p.endLine()
}

func (p *parser) umask() error {
	at := p.mark()
	s, err := p.argument()
	if err != nil {
		return err
	}
	n, ok := parseUnsigned(s, 8)
	if !ok || n > 0o777 {
		return p.failAt(IllegalUmask, at)
	}
	mask := int64(n)
	p.job.Umask = &mask
	return p.endLine()
}

func (p *parser) nice() error {
	n, err := p.long(IllegalNice, -20, 19)
	if err != nil {
		return err
	}
	p.job.Nice = &n
	return p.endLine()
}

func (p *parser) oom() error {
	at := p.mark()
	s, err := p.argument()
	if err != nil {
		return err
	}
	low, high, kind := int64(-17), int64(15), IllegalOOM
	score := s == "score"
	if score {
		low, high, kind = -1000, 1000, IllegalOOMScore
		at = p.mark()
		if s, err = p.argument(); err != nil {
			return err
		}
	}
	n, ok := parseLong(s)
	switch {
	case s == "never":
		n = -1000
	case !ok || n < low || n > high:
		return p.failAt(kind, at)
	case !score && n < 0:
		n = n * 1000 / 17 // the old scale, as upstart converts it
	case !score:
		n = n * 1000 / 15
	}
	p.job.OOMScore = &n
	return p.endLine()
}

// resources are what limit can be about.
var resources = []string{"as", "core", "cpu", "data", "fsize", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "sigpending", "stack"}

func (p *parser) limit() error {
	at := p.mark()
	name, err := p.argument()
	if err != nil {
		return err
	}
	if !slices.Contains(resources, name) {
		return p.failAt(UnknownStanza, at)
	}
	l := Limit{Resource: name}
	for _, value := range []*uint64{&l.Soft, &l.Hard} {
		at := p.mark()
		s, err := p.argument()
		if err != nil {
			return err
		}
		n, ok := parseUnsigned(s, 10)
		if s == "unlimited" {
			n, ok = Unlimited, true
		}
		if !ok {
			return p.failAt(IllegalLimit, at)
		}
		*value = n
	}
	p.job.Limits = slices.DeleteFunc(p.job.Limits, func(o Limit) bool { return o.Resource == name })
	p.job.Limits = append(p.job.Limits, l)
	p.sub = name
	return p.endLine()
}

func (p *parser) apparmor() error {
	if err := p.second("load", "switch"); err != nil {
		return err
	}
	s, err := p.argument()
	if err != nil {
		return err
	}
	if p.sub == "load" {
		p.job.AppArmorLoad = s
	} else {
		p.job.AppArmorSwitch = s
	}
	return p.endLine()
}

func (p *parser) cgroup() error {
	const most = 4
	var args []string
	for first := true; first || p.hasToken() && len(args) < most; first = false {
		s, err := p.argument()
		if err != nil {
			return err
		}
		args = append(args, s)
	}
	if err := p.endLine(); err != nil {
		return err
	}
	p.job.CGroups = append(p.job.CGroups, args)
	return nil
}
