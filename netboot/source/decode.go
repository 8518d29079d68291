package source

import (
	"encoding/base64"
	"strings"
)

// trim gives a document's text without the white space around it.
func trim(b []byte) string { return strings.TrimSpace(string(b)) }

// maybeBase64 decodes what is base64 throughout, and gives back everything
// else as it is: the rule of cloud-init's maybe_b64decode. A line break
// anywhere, even at the end, makes it something else.
func maybeBase64(b []byte) []byte {
	if len(b) == 0 || strings.ContainsAny(string(b), "\r\n") {
		return b // which Go's decoder would skip
	}
	plain, err := base64.StdEncoding.DecodeString(string(b))
	if err != nil {
		return b
	}
	return plain
}

// keyLines splits authorized_keys text into its lines, comments dropped.
func keyLines(text string) []string {
	var keys []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			keys = append(keys, line)
		}
	}
	return keys
}
