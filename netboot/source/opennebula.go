package source

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"boothook/netboot/instance"
	"boothook/netboot/platform"
)

// OpenNebula gives a volume with the label CONTEXT and on it a shell script
// that sets variables ("Virtual Machine Contextualization" of its manual). It
// is read here, not run: every value is one quoted string, as OpenNebula
// writes it.
const (
	openNebulaLabel   = "context"
	openNebulaContext = "context.sh"
	// openNebulaID is what cloud-init calls an instance without a VMID.
	openNebulaID = "iid-dsopennebula"
)

func openNebula() *Source {
	return &Source{
		Name: "opennebula", Labels: []string{openNebulaLabel}, fetch: fetchOpenNebula, parse: parseOpenNebula,
		Rules: []platform.Rule{{Platform: "opennebula", Given: true, Fact: platform.Fact{Of: platform.Label, Is: openNebulaLabel}, HardwareID: platform.ProductUUID}},
	}
}

func fetchOpenNebula(_ context.Context, env *Env) (Docs, error) {
	v, err := findVolume(env.Volumes, openNebulaLabel)
	if err != nil {
		return nil, err
	}
	return readDocs(v.FS, ".", doc{path: openNebulaContext})
}

func parseOpenNebula(got Docs, _ *platform.Evidence) (*instance.Instance, error) {
	vars, err := shellVariables(string(got[openNebulaContext]))
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrMalformed, openNebulaContext, err)
	}
	in := &instance.Instance{
		ID:         openNebulaID,
		Hostname:   vars.text("SET_HOSTNAME", "HOSTNAME", "PUBLIC_IP", "IP_PUBLIC", "ETH0_IP"),
		PublicKeys: keyLines(vars.text("SSH_KEY", "SSH_PUBLIC_KEY")),
		UserData:   []byte(vars.text("USER_DATA", "USERDATA")),
		MetaData:   vars.without("USER_DATA", "USERDATA", "PASSWORD", "PASSWORD_BASE64", "CRYPTED_PASSWORD", "CRYPTED_PASSWORD_BASE64", "ONEGATE_TOKEN"),
	}
	if id := vars.str("VMID"); id != "" {
		in.ID = "one-" + id
	}
	if vars.text("USER_DATA_ENCODING", "USERDATA_ENCODING") == "base64" {
		in.UserData = promised(in, "USER_DATA", string(in.UserData))
	}
	in.MetaData["instance-id"], in.MetaData["local-hostname"] = in.ID, in.Hostname
	in.NetworkConfig = openNebulaNetwork(vars)
	return in, nil
}

// openNebulaNetwork turns the variables ETHn_NAME ("Network" in OpenNebula's
// manual, under "Contextualization"). A NIC that has an ETHn_MAC and no address
// has the one that its hardware address is made of.
func openNebulaNetwork(vars object) []byte {
	c := netConfig{}
	for n := range maxNICs {
		p := "ETH" + strconv.Itoa(n) + "_"
		mac, ip := vars.str(p+"MAC"), vars.str(p+"IP")
		method, method6 := vars.str(p+"METHOD"), vars.str(p+"IP6_METHOD")
		six := vars.text(p+"IP6", p+"IPV6")
		if mac == "" && ip == "" && six == "" && method == "" || method == "skip" && method6 == "skip" {
			continue
		}
		name := "eth" + strconv.Itoa(n)
		l := c.link("ethernets", name)
		if mac != "" {
			l = c.ethernet(name, mac)
		}
		switch {
		case method == "dhcp":
			l.set("dhcp4", true)
		case method == "skip":
		case ip == "" && six == "":
			ip = openNebulaAddress(mac)
			fallthrough
		default:
			openNebulaStatic(vars, p, l, ip)
			l.route("", vars.str(p+"GATEWAY"))
		}
		switch method6 {
		case "auto":
			l.set("accept-ra", true)
		case "dhcp":
			l.set("dhcp6", true)
		case "disable":
			l.set("link-local", []any{})
		case "skip":
		default:
			l.route("", cmp.Or(vars.str(p+"IP6_GATEWAY"), vars.str(p+"GATEWAY6")))
		}
		if metric := vars.str(p + "METRIC"); metric != "" {
			for _, r := range list(l["routes"]) {
				r.(object).number("metric", metric)
			}
		}
		for r := range strings.SplitSeq(vars.str(p+"ROUTES"), ",") {
			if to, via, ok := strings.Cut(r, " via "); ok {
				l.route(strings.TrimSpace(to), strings.TrimSpace(via))
			}
		}
		for a := range maxAliases {
			alias := p + "ALIAS" + strconv.Itoa(a) + "_"
			if yes(vars.str(alias + "EXTERNAL")) {
				continue // it is not for this machine to set
			}
			openNebulaStatic(vars, alias, l, vars.str(alias+"IP"))
		}
		l.number("mtu", vars.str(p+"MTU"))
		l.servers(fields(vars.str(p + "DNS"))...)
		if n == 0 {
			l.servers(fields(vars.str("DNS"))...)
		}
		l.search(fields(vars.str(p + "SEARCH_DOMAIN"))...)
	}
	return c.document()
}

// maxAliases bounds the further addresses of a NIC.
const maxAliases = 64

// openNebulaStatic adds the addresses that are given under a prefix.
func openNebulaStatic(vars object, p string, l object, ip string) {
	if ip != "" {
		l.address(ip, cmp.Or(vars.str(p+"MASK"), "255.255.255.0"))
	}
	for _, six := range []string{cmp.Or(vars.str(p+"IP6"), vars.str(p+"IPV6")), vars.str(p + "IP6_ULA")} {
		if six != "" {
			l.address(six, cmp.Or(vars.str(p+"IP6_PREFIX_LENGTH"), "64"))
		}
	}
}

// openNebulaAddress gives the address that a hardware address holds in its last
// four bytes; "" for none.
func openNebulaAddress(mac string) string {
	hw, err := net.ParseMAC(mac)
	if err != nil || len(hw) != 6 {
		return ""
	}
	return netip.AddrFrom4([4]byte(hw[2:])).String()
}

// shellVariables reads NAME='VALUE' and NAME="VALUE" assignments and comments.
// A value may have line breaks; a quote in single ones is written '\”, and in
// double ones a backslash takes away the meaning of what follows.
func shellVariables(text string) (object, error) {
	vars := object{}
	for {
		text = strings.TrimLeft(text, " \t\r\n")
		if text == "" {
			return vars, nil
		}
		if text[0] == '#' {
			_, text, _ = strings.Cut(text, "\n")
			continue
		}
		name, rest, ok := strings.Cut(text, "=")
		if !ok || strings.ContainsAny(name, " \t\r\n'\"$`;&|()") {
			return nil, fmt.Errorf("more than assignments in it")
		}
		value, rest, err := shellWord(rest)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		vars[name], text = value, rest
	}
}

// shellWord reads a word that is quoted, plain, or one after the other.
func shellWord(text string) (word, rest string, err error) {
	var b strings.Builder
	var quote byte
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote == 0 && strings.IndexByte(" \t\r\n;", c) >= 0:
			return b.String(), text[i:], nil
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case c == quote:
			quote = 0
		case c == '\\' && quote != '\'' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		case (c == '$' || c == '`') && quote != '\'':
			return "", "", fmt.Errorf("an expansion, which only a shell could do")
		default:
			b.WriteByte(c)
		}
	}
	if quote != 0 {
		return "", "", fmt.Errorf("a quote has no end")
	}
	return b.String(), "", nil
}
