package userdata

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// foreign recognises the configuration of another system and says whose it
// is. It is only asked about bodies that nothing here handles.
func foreign(body []byte) error {
	system := foreignSystem(bytes.TrimLeftFunc(body, isSpace))
	if system == "" {
		return nil
	}
	return fmt.Errorf("%w: it is %s", ErrForeign, system)
}

func foreignSystem(body []byte) string {
	switch {
	case hasPrefixFold(body, "<powershell"), hasPrefixFold(body, "#ps1"):
		return "a PowerShell script, which only Windows runs"
	case hasPrefixFold(body, "<script"), hasPrefixFold(body, "rem cmd"):
		return "a batch script, which only Windows runs"
	case bytes.HasPrefix(body, []byte("#systemd-userdata")):
		return "a set of systemd credentials (#systemd-userdata), which systemd-imds imports"
	case bytes.HasPrefix(body, []byte("{")):
		return foreignJSON(body)
	}
	return foreignText(body[:min(len(body), 64<<10)])
}

// foreignJSON tells by the top-level keys of an object.
func foreignJSON(body []byte) string {
	var keys struct {
		Ignition    json.RawMessage `json:"ignition"`
		Credentials json.RawMessage `json:"systemd.credentials"`
	}
	if json.Unmarshal(body, &keys) != nil {
		return ""
	}
	switch {
	case keys.Ignition != nil:
		return "an Ignition config"
	case keys.Credentials != nil:
		return "a set of systemd credentials, which systemd-imds imports"
	}
	return ""
}

// foreignText tells by the lines of a YAML or TOML file that are not indented.
func foreignText(body []byte) string {
	var variant, version, machine, talos, kind bool
	for line := range bytes.Lines(body) {
		l := string(bytes.TrimRight(line, " \t\r\n"))
		key, value, _ := strings.Cut(l, ":")
		value = strings.Trim(strings.TrimSpace(value), `"'`)
		switch {
		case l == "[settings]", strings.HasPrefix(l, "[settings."), strings.HasPrefix(l, "[[settings."), strings.HasPrefix(l, "settings."):
			return "a set of Bottlerocket settings"
		case key == "variant" && value != "":
			variant = true
		case key == "version":
			version = true
			talos = talos || value == "v1alpha1"
		case key == "apiVersion":
			talos = talos || value == "v1alpha1"
		case key == "kind" && strings.HasSuffix(value, "Config"):
			kind = true
		case key == "machine", key == "cluster":
			machine = true
		}
	}
	switch {
	case variant && version:
		return "a Butane config: translate it to Ignition for a system that reads that"
	case talos && (machine || kind):
		return "a Talos machine config"
	}
	return ""
}
