package userdatatest

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"boothook/injector/userdata"
)

// Format prints what was decoded, one line for each thing.
func Format(d userdata.Decoded) string {
	var sb strings.Builder
	for _, p := range d.Parts {
		fmt.Fprintf(&sb, "part %d %q %s", p.Index, p.Name, p.Type)
		if p.DeclaredType != "" && p.DeclaredType != p.Type {
			fmt.Fprintf(&sb, " declared %s", p.DeclaredType)
		}
		switch {
		case p.LaunchIndex == nil:
		case *p.LaunchIndex == userdata.NoLaunchIndex:
			sb.WriteString(" launch never")
		default:
			fmt.Fprintf(&sb, " launch %d", *p.LaunchIndex)
		}
		if p.MergeType != "" {
			fmt.Fprintf(&sb, " merge %q", p.MergeType)
		}
		fmt.Fprintf(&sb, " size %d sha256 %.8x from %s\n", len(p.Body), sha256.Sum256(p.Body), p.Origin)
		if p.Err != nil {
			fmt.Fprintf(&sb, "\terror %s\n", p.Err)
		}
	}
	for _, w := range d.Wants {
		once := ""
		if w.Once {
			once = " once"
		}
		fmt.Fprintf(&sb, "want %s%s, %s line %d\n", w.URL, once, w.Origin, w.Line)
	}
	for _, p := range d.Problems {
		kind := "problem"
		if p.Warning {
			kind = "warning"
		}
		fmt.Fprintf(&sb, "%s %s\n", kind, p)
	}
	return sb.String()
}
