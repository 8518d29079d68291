package network

import "boothook/injector/cloudconfig"

// version2 reads a version 2 document.
func (r *reader) version2(doc *cloudconfig.Value) {
	for _, e := range doc.Map {
		switch kind := e.Key.Scalar(); kind {
		case "version", "renderer":
		case ethernet, bond, bridge, vlan:
			for _, l := range e.Value.Map {
				r.link2(kind, l.Key.Scalar(), l.Value)
			}
		default:
			r.problem(e.Key, "%q is for roots with netplan only", kind)
		}
	}
}

func (r *reader) link2(kind, id string, v *cloudconfig.Value) {
	l := &link{
		kind: kind, id: id, mtu: r.number(v.Get("mtu"), 65535), rename: r.text(v.Get("set-name")),
		dhcp4: v.Get("dhcp4").Truth(false), dhcp6: v.Get("dhcp6").Truth(false), optional: v.Get("optional").Truth(false),
		address: r.hardware(v.Get("macaddress")), mac: r.hardware(v.Get("match").Get("macaddress")),
		names: r.text(v.Get("match").Get("name")),
		dns:   r.servers(v.Get("nameservers").Get("addresses")), search: r.names(v.Get("nameservers").Get("search")),
		tag: r.number(v.Get("id"), 4094), parent: r.text(v.Get("link")), members: r.names(v.Get("interfaces")),
	}
	if ra := v.Get("accept-ra"); !ra.Missing() {
		l.ra = new(bool)
		*l.ra = ra.Truth(false)
	}
	for _, a := range r.items(v.Get("addresses")) {
		// An address may be a mapping from itself to its label and lifetime.
		if a.Kind == cloudconfig.Map && len(a.Map) == 1 {
			a = a.Map[0].Key
		}
		if p, ok := r.prefix(a, &cloudconfig.Value{}); ok {
			l.addresses = append(l.addresses, p)
		}
	}
	for _, key := range []string{"gateway4", "gateway6"} {
		l.gateway(r.addr(v.Get(key)))
	}
	for _, item := range r.items(v.Get("routes")) {
		r.route2(l, item)
	}
	for _, e := range v.Get("parameters").Map {
		r.param(l, e.Key, e.Value)
	}
	r.add(l, v)
}

func (r *reader) route2(l *link, v *cloudconfig.Value) {
	via := r.addr(v.Get("via"))
	p, ok := r.prefix(v.Get("to"), &cloudconfig.Value{})
	switch {
	case !ok && v.Get("to").Scalar() == "default" && via.IsValid():
		p = anywhere(via)
	case !ok:
		r.problem(v, "a route without a destination")
		return
	}
	l.routes = append(l.routes, route{to: p.Masked(), via: via, metric: r.number(v.Get("metric"), 1<<31), onLink: v.Get("on-link").Truth(false)})
}
