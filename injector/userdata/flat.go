package userdata

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"boothook/injector/digest"
)

// base64Line is the length of a line of base64 (RFC 2045, section 6.8).
const base64Line = 76

// Flat gives parts as one MIME message, each with its final type and name:
// what cloud-init keeps as user-data.txt.i. The same parts give the same
// bytes. Bodies that are not UTF-8 text are in base64.
func Flat(parts []Part) []byte {
	bodies := make([][]byte, len(parts))
	for i, p := range parts {
		bodies[i] = p.Body
	}
	sum := digest.SHA256(bodies...)
	boundary := fmt.Sprintf("===============%x==", sum[:10])
	var b bytes.Buffer
	fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=%q\nMIME-Version: 1.0\nNumber-Attachments: %d\n\n",
		boundary, len(parts))
	for _, p := range parts {
		fmt.Fprintf(&b, "--%s\n", boundary)
		flatPart(&b, p)
	}
	fmt.Fprintf(&b, "--%s--\n", boundary)
	return b.Bytes()
}

func flatPart(b *bytes.Buffer, p Part) {
	fmt.Fprintf(b, "Content-Type: %s\nMIME-Version: 1.0\n", headerText(p.Type))
	if p.LaunchIndex != nil && *p.LaunchIndex != NoLaunchIndex {
		fmt.Fprintf(b, "Launch-Index: %d\n", *p.LaunchIndex)
	}
	if p.MergeType != "" {
		fmt.Fprintf(b, "Merge-Type: %s\n", headerText(p.MergeType))
	}
	name := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(headerText(p.Name))
	fmt.Fprintf(b, "Content-Disposition: attachment; filename=\"%s\"\n", name)
	if utf8.Valid(p.Body) && !bytes.ContainsAny(p.Body, "\x00\r") {
		b.WriteString("Content-Transfer-Encoding: 8bit\n\n")
		b.Write(p.Body)
		b.WriteByte('\n')
		return
	}
	b.WriteString("Content-Transfer-Encoding: base64\n\n")
	text := base64.StdEncoding.EncodeToString(p.Body)
	for len(text) > base64Line {
		b.WriteString(text[:base64Line] + "\n")
		text = text[base64Line:]
	}
	b.WriteString(text + "\n")
}

// headerText keeps a value from ending its header line.
func headerText(s string) string {
	return strings.NewReplacer("\n", " ", "\r", " ").Replace(s)
}
