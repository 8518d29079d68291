package source

import (
	"context"
	"encoding/base64"
	"fmt"
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
	if id := vars.text("VMID"); id != "" {
		in.ID = "one-" + id
	}
	if vars.text("USER_DATA_ENCODING", "USERDATA_ENCODING") == "base64" {
		plain, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(in.UserData)), ""))
		if err != nil {
			return nil, fmt.Errorf("%w: USER_DATA is not base64", ErrMalformed)
		}
		in.UserData = plain
	}
	in.MetaData["instance-id"], in.MetaData["local-hostname"] = in.ID, in.Hostname
	return in, nil
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
