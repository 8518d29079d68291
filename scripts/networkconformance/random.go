package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"boothook/netboot/instance"
)

// A drawer draws version 2 documents by chance: of each kind of link some, with
// some of the keys of netplan's YAML reference, whose values are now and then
// wrong. It shares nothing with boothook's table of keys.
type drawer struct {
	*rand.Rand
	// wrong is how many of a thousand values are drawn from the wrong ones.
	wrong int
	names []string // links that are there already
	free  []string // those of them that no bond or bridge has yet
}

func drawn(seed uint64, wrong int) string {
	d := &drawer{Rand: rand.New(rand.NewPCG(seed, 17)), wrong: wrong}
	doc := map[string]any{"version": 2}
	ethernets := map[string]any{}
	for i := range 1 + d.IntN(3) {
		ethernets[fmt.Sprintf("eth%d", i)] = d.ethernet(i)
	}
	doc["ethernets"] = ethernets
	for _, kind := range []struct {
		name string
		draw func() map[string]any
	}{
		{"bonds", d.bond}, {"bridges", d.bridge}, {"vlans", d.vlan}, {"dummy-devices", d.dummy}, {"tunnels", d.tunnel}, {"vrfs", d.vrf},
	} {
		if d.IntN(4) > 0 {
			continue
		}
		of := map[string]any{}
		for i := range 1 + d.IntN(2) {
			name := fmt.Sprintf("%s%d", kind.name[:3], i)
			of[name] = kind.draw()
			d.names, d.free = append(d.names, name), append(d.free, name)
		}
		doc[kind.name] = of
	}
	body, err := yaml.Marshal(doc)
	if err != nil {
		panic(err) // of maps and scalars
	}
	return string(body)
}

// chance compares drawn documents with netplan: what it refuses must be named
// with a line, what it takes must be taken without a problem, and rendered alike.
func (c *comparison) chance(seed uint64, n int, differences string) error {
	var err error
	if c.reasons, err = readReasons(differences); err != nil {
		return err
	}
	tallies := map[string]*tally{}
	refused := 0
	for i := range n {
		wrong := 0
		if i%2 == 1 {
			wrong = 25
		}
		d := document{fmt.Sprintf("drawn/%d", seed+uint64(i)), drawn(seed+uint64(i), wrong)}
		before := c.unexplained
		for _, renderer := range []string{"networkd", "network-manager"} {
			backend := map[string]string{"networkd": "networkd", "network-manager": "NetworkManager"}[renderer]
			ref, refusal, err := c.netplan(d.text, backend)
			if err != nil {
				return err
			}
			ours, problems := render(d, renderer)
			if refusal != "" {
				refused++
				if !anyLine(problems) {
					c.say("netplan "+renderer, d.name, "", "refused by netplan, taken by boothook: "+refusal)
				}
				continue
			}
			for _, p := range problems {
				if !p.Warning {
					c.say("netplan "+renderer, d.name, "", "taken by netplan, a problem to boothook: "+p.Message)
				}
			}
			if !slices.ContainsFunc(problems, func(p instance.Problem) bool { return !p.Warning }) {
				c.compare(tallies, "netplan "+renderer, d.name, read(renderer, ref), read(renderer, ours))
			}
		}
		files, _ := render(d, "netplan")
		if err := c.generate(files); err != nil {
			c.say("netplan accepts", d.name, "", err.Error())
		}
		if c.unexplained > before && c.verbose {
			fmt.Println(d.text)
		}
	}
	c.print(tallies)
	fmt.Printf("%-28s %4d times\n", "refused", refused)
	if c.unexplained > 0 {
		return fmt.Errorf("%d differences without a reason", c.unexplained)
	}
	return nil
}

// one draws one of some values, or a wrong one.
func (d *drawer) one(values ...any) any {
	if d.IntN(1000) < d.wrong {
		return []any{"nonsense", -1, 99999999999, "", []any{}, map[string]any{"a": 1}, true, "1.2.3.4", "fe80::1", 7, nil, "10.0.0.0/33", "default"}[d.IntN(13)]
	}
	return values[d.IntN(len(values))]
}

// some sets each of some keys with a chance of one in n.
func (d *drawer) some(in map[string]any, n int, keys map[string]func() any) {
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if d.IntN(n) == 0 {
			in[k] = keys[k]()
		}
	}
}

func (d *drawer) boolean() any { return d.one(true, false, true, false, "yes", "off") }
func (d *drawer) number(most int) func() any {
	return func() any { return d.one(0, 1, d.IntN(most+1), most) }
}
func (d *drawer) words(w ...any) func() any { return func() any { return d.one(w...) } }

func (d *drawer) address(four bool) string {
	if four {
		return fmt.Sprintf("10.%d.%d.%d", d.IntN(3), d.IntN(3), 1+d.IntN(9))
	}
	return fmt.Sprintf("2001:db8:%d::%d", 1+d.IntN(3), 1+d.IntN(9))
}

func (d *drawer) prefix(four bool) string {
	if four {
		return d.address(true) + []string{"/24", "/16", "/32", "/31"}[d.IntN(4)]
	}
	return d.address(false) + []string{"/64", "/128", "/48"}[d.IntN(3)]
}

// common are the keys that all links have.
func (d *drawer) common(l map[string]any) map[string]any {
	overrides := func() any {
		o := map[string]any{}
		d.some(o, 4, map[string]func() any{
			"use-dns": d.boolean, "use-ntp": d.boolean, "send-hostname": d.boolean, "use-hostname": d.boolean, "use-mtu": d.boolean,
			"hostname": d.words("h", "a.test"), "use-routes": d.boolean, "route-metric": d.number(4000), "use-domains": d.words(true, false, "route"),
		})
		return o
	}
	d.some(l, 4, map[string]func() any{"dhcp4": d.boolean, "dhcp6": d.boolean, "addresses": d.addresses, "nameservers": d.nameservers, "routes": d.routes, "routing-policy": d.rules})
	d.some(l, 12, map[string]func() any{
		"dhcp4-overrides": overrides, "dhcp6-overrides": overrides, "accept-ra": d.boolean, "optional": d.boolean, "critical": d.boolean,
		"link-local": func() any {
			return [][]any{{}, {"ipv4"}, {"ipv6"}, {"ipv4", "ipv6"}, {d.one("ipv4")}}[d.IntN(5)]
		},
		"dhcp-identifier": d.words("mac", "duid"), "ipv6-privacy": d.boolean, "ipv6-address-generation": d.words("eui64", "stable-privacy"),
		"ipv6-address-token": d.words("::2", "::5"), "mtu": d.number(9000), "ipv6-mtu": d.number(2000), "macaddress": d.words("02:00:00:00:00:01", "02-00-00-00-00-02"),
		"activation-mode": d.words("manual", "off"), "ignore-carrier": d.boolean, "gateway4": func() any { return d.one(d.address(true)) },
		"gateway6": func() any { return d.one(d.address(false)) },
		"renderer": d.words("networkd"), "optional-addresses": func() any { return []any{d.one("ipv4-ll", "dhcp4", "static")} },
		"ra-overrides": func() any {
			o := map[string]any{}
			d.some(o, 2, map[string]func() any{"use-dns": d.boolean, "use-domains": d.words(true, "route"), "table": d.number(300)})
			return o
		},
	})
	return l
}

func (d *drawer) addresses() any {
	var out []any
	for range 1 + d.IntN(3) {
		a := d.one(d.prefix(true), d.prefix(true), d.prefix(false), "203.0.113.7/32")
		if s, ok := a.(string); ok && d.IntN(8) == 0 {
			o := map[string]any{}
			d.some(o, 2, map[string]func() any{"lifetime": d.words("forever", 0), "label": d.words("eth0:x", "lab")})
			a = map[string]any{s: o}
		}
		out = append(out, a)
	}
	return out
}

func (d *drawer) nameservers() any {
	o := map[string]any{}
	d.some(o, 2, map[string]func() any{
		"addresses": func() any { return []any{d.one(d.address(true)), d.one(d.address(false), d.address(true))} },
		"search":    func() any { return []any{d.one("a.test", "b.test"), "c.test"} },
	})
	return o
}

func (d *drawer) routes() any {
	var out []any
	for range 1 + d.IntN(2) {
		four := d.IntN(3) > 0
		r := map[string]any{"to": d.one("default", d.prefix(four), d.prefix(four), d.address(four))}
		if d.IntN(8) > 0 {
			r["via"] = d.one(d.address(four))
		}
		d.some(r, 6, map[string]func() any{
			"metric": d.number(500), "table": d.number(300), "on-link": d.boolean, "mtu": d.number(9000), "scope": d.words("global", "link", "host"),
			"type": d.words("unicast", "local", "blackhole", "unreachable", "prohibit", "throw", "anycast", "broadcast", "multicast", "nat", "xresolve"),
			"from": func() any { return d.one(d.address(four)) }, "congestion-window": d.number(50), "advertised-receive-window": d.number(50), "advertised-mss": d.number(1500),
		})
		out = append(out, r)
	}
	return out
}

func (d *drawer) rules() any {
	var out []any
	for range 1 + d.IntN(2) {
		four := d.IntN(3) > 0
		r := map[string]any{}
		d.some(r, 2, map[string]func() any{
			"from": func() any { return d.one(d.prefix(four), d.address(four)) }, "to": func() any { return d.one(d.prefix(four)) },
			"table": d.number(300), "priority": d.number(30000),
		})
		d.some(r, 5, map[string]func() any{"mark": d.number(1000), "type-of-service": d.number(255)})
		out = append(out, r)
	}
	return out
}

func (d *drawer) ethernet(i int) any {
	l := d.common(map[string]any{})
	name := fmt.Sprintf("eth%d", i)
	d.some(l, 8, map[string]func() any{
		"match": func() any {
			m := map[string]any{}
			d.some(m, 2, map[string]func() any{
				"macaddress": d.words(fmt.Sprintf("02:00:00:AA:00:0%d", i)), "name": d.words("en*", name, "ens3"),
				"driver": func() any { return d.one("virtio_net", []any{"virtio_net", "e1000*"}) },
			})
			return m
		},
		"wakeonlan": d.boolean, "infiniband-mode": d.words("datagram", "connected"), "emit-lldp": d.boolean,
		"receive-checksum-offload": d.boolean, "tcp-segmentation-offload": d.boolean, "generic-receive-offload": d.boolean,
	})
	if l["match"] != nil && d.IntN(2) == 0 || d.IntN(40) == 0 {
		l["set-name"] = d.one(fmt.Sprintf("lan%d", i))
	}
	d.names, d.free = append(d.names, name), append(d.free, name)
	return l
}

// members takes links that nobody has yet, now and then one that somebody has.
func (d *drawer) members() any {
	var out []any
	for range d.IntN(3) {
		switch {
		case d.IntN(1000) < d.wrong:
			out = append(out, d.one("nowhere", d.names[d.IntN(len(d.names))]))
		case len(d.free) > 0:
			j := d.IntN(len(d.free))
			out = append(out, d.free[j])
			d.free = append(d.free[:j], d.free[j+1:]...)
		}
	}
	if out == nil {
		return []any{}
	}
	return out
}

func (d *drawer) bond() map[string]any {
	l := d.common(map[string]any{"interfaces": d.members()})
	p := map[string]any{}
	d.some(p, 4, map[string]func() any{
		"mode":      d.words("balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"),
		"lacp-rate": d.words("slow", "fast"), "mii-monitor-interval": d.words(100, "200ms", "1s"), "min-links": d.number(10),
		"transmit-hash-policy": d.words("layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4"), "ad-select": d.words("stable", "bandwidth", "count"),
		"all-members-active": d.boolean, "arp-interval": d.number(1000), "arp-ip-targets": func() any { return []any{d.one("10.0.0.1"), "10.0.0.2"} },
		"arp-validate": d.words("none", "active", "backup", "all"), "arp-all-targets": d.words("any", "all"), "up-delay": d.number(100), "down-delay": d.number(100),
		"fail-over-mac-policy": d.words("none", "active", "follow"), "gratuitous-arp": d.number(255), "packets-per-member": d.number(100),
		"primary-reselect-policy": d.words("always", "better", "failure"), "resend-igmp": d.number(255), "learn-packet-interval": d.number(100),
	})
	if m, ok := l["interfaces"].([]any); ok && len(m) > 0 && d.IntN(3) == 0 {
		p["mode"], p["primary"] = "active-backup", m[0]
	}
	if len(p) > 0 {
		l["parameters"] = p
	}
	return l
}

func (d *drawer) bridge() map[string]any {
	l := d.common(map[string]any{"interfaces": d.members()})
	p := map[string]any{}
	d.some(p, 3, map[string]func() any{
		"ageing-time": d.number(100), "priority": d.number(65535), "forward-delay": d.words(2, 15), "hello-time": d.number(10), "max-age": d.number(40), "stp": d.boolean,
	})
	if m, ok := l["interfaces"].([]any); ok && len(m) > 0 {
		d.some(p, 4, map[string]func() any{
			"path-cost":     func() any { return map[string]any{fmt.Sprint(m[0]): d.number(100)()} },
			"port-priority": func() any { return map[string]any{fmt.Sprint(m[0]): d.number(63)()} },
		})
	}
	if len(p) > 0 {
		l["parameters"] = p
	}
	return l
}

func (d *drawer) vlan() map[string]any {
	l := d.common(map[string]any{})
	d.some(l, 1, map[string]func() any{"id": d.number(4094), "link": func() any { return d.one(d.names[d.IntN(len(d.names))]) }})
	return l
}

func (d *drawer) dummy() map[string]any { return d.common(map[string]any{}) }

func (d *drawer) vrf() map[string]any {
	table := 100 + d.IntN(5)
	l := map[string]any{"table": d.one(table)}
	if d.IntN(2) == 0 {
		l["interfaces"] = []any{d.one(d.names[d.IntN(len(d.names))])}
	}
	d.some(l, 3, map[string]func() any{"routes": d.routes, "routing-policy": d.rules, "addresses": d.addresses})
	return l
}

const drawnKey = "4GgaQCy68nzNsUE5aJ9fuLzHhB65tAlwbmA72MWnOm8="

func (d *drawer) tunnel() map[string]any {
	mode := d.one("gre", "sit", "ipip", "ip6gre", "vti", "vti6", "ip6ip6", "ipip6", "gretap", "ip6gretap", "wireguard", "vxlan", "isatap")
	l := d.common(map[string]any{"mode": mode})
	six := strings.Contains(fmt.Sprint(mode), "6")
	switch mode {
	case "wireguard":
		d.some(l, 2, map[string]func() any{"key": d.words(drawnKey, "/etc/wg.key"), "port": d.number(65535), "mark": d.number(100)})
		peer := map[string]any{"keys": map[string]any{"public": d.one(drawnKey)}, "allowed-ips": []any{d.one("0.0.0.0/0", d.prefix(true)), d.prefix(false)}}
		d.some(peer, 2, map[string]func() any{"endpoint": d.words("192.0.2.1:5", "[2001:db8::1]:5", "h.test:51820"), "keepalive": d.number(100)})
		l["peers"] = []any{peer}
	case "vxlan":
		d.some(l, 1, map[string]func() any{"id": func() any { return d.one(1 + d.IntN(100)) }})
		d.some(l, 4, map[string]func() any{
			"link": func() any { return d.one(d.names[d.IntN(len(d.names))]) }, "local": d.words(d.address(true)), "remote": d.words(d.address(true), "224.0.0.5"),
			"ageing": d.number(100), "limit": d.number(100), "arp-proxy": d.boolean, "mac-learning": d.boolean, "port": d.number(65535), "ttl": d.number(255),
			"type-of-service": d.number(255), "short-circuit": d.boolean, "flow-label": d.number(1000), "do-not-fragment": d.boolean,
			"notifications": func() any { return []any{d.one("l2-miss", "l3-miss")} }, "checksums": func() any { return []any{d.one("udp", "zero-udp6-tx")} },
			"extensions": func() any { return []any{d.one("group-policy")} }, "port-range": func() any { return []any{d.one(10), d.one(20)} },
		})
	default:
		d.some(l, 1, map[string]func() any{"remote": func() any { return d.one(d.address(!six)) }, "local": func() any { return d.one(d.address(!six)) }})
		d.some(l, 4, map[string]func() any{"ttl": d.number(255), "key": d.words(5, "1.2.3.4"), "keys": func() any { return map[string]any{"input": d.one(5), "output": d.one(6)} }})
	}
	return l
}
