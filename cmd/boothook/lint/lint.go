// Package lint checks user-data before any machine boots with it: types, YAML,
// the keys and values of cloud-config, jobs, scripts and templates; and, for a
// root, what would be written there against what reads it. Nothing of the
// user-data or the root is run; scripts are read by their shell with -n.
package lint

import (
	"context"
	"slices"
	"strings"

	"boothook/cmd/boothook/includes"
	"boothook/injector/cloudconfig"
	"boothook/injector/userdata"
	"boothook/netboot/instance"
)

// A Request says what is checked.
type Request struct {
	// Name is what findings call the document.
	Name     string
	Document []byte
	// As is the type that the document is taken for, as one part; empty if it
	// is decoded as user-data is. It is one of Types.
	As string
	// Root is a directory; the document is also planned for the root in it,
	// unless this is empty.
	Root string
	// Fetch has what the document includes fetched and checked.
	Fetch bool
}

// Types are the MIME types that a part can be checked as.
func Types() []string {
	return []string{
		userdata.TypeCloudConfig, userdata.TypeCloudConfigJSONP, userdata.TypeBoothook, userdata.TypePartHandler,
		userdata.TypeJinja, userdata.TypeUpstartJob, userdata.TypeScript, userdata.TypeScriptPerBoot,
		userdata.TypeScriptPerInstance, userdata.TypeScriptPerOnce,
	}
}

// Check gives what is wrong with a document. An error says why it could not be
// checked.
func Check(ctx context.Context, r Request) (Findings, error) {
	decoded := r.decode(ctx)
	problems := append(decoded.Problems, lintParts(ctx, decoded.Parts)...)
	if r.Root == "" {
		problems = append(problems, cloudconfig.Lint(decoded.Parts)...)
	} else {
		planned, err := lintRoot(ctx, r)
		if err != nil {
			return Findings{}, err
		}
		problems = append(slices.DeleteFunc(problems, func(p instance.Problem) bool {
			return slices.ContainsFunc(planned, func(q instance.Problem) bool { return repeats(q, p) })
		}), planned...)
	}
	return Findings{file: r.Name, several: len(decoded.Parts) > 1, List: withColumns(problems, decoded.Parts)}, nil
}

// repeats says that a problem of the plan says all that another one does: the
// parts were read twice, once by themselves and once for the root.
func repeats(planned, p instance.Problem) bool {
	said := planned.Message
	planned.Message, p.Message = "", strings.TrimSpace(p.Message)
	return strings.Contains(said, p.Message) && planned == instance.Problem{Origin: p.Origin, Part: p.Part, Line: p.Line, Warning: p.Warning}
}

func (r *Request) decode(ctx context.Context) userdata.Decoded {
	if r.As != "" {
		return userdata.Decoded{Parts: []userdata.Part{{Index: 1, Name: r.Name, Type: r.As, Origin: r.Name, Body: r.Document}}}
	}
	decoded := includes.Decode(ctx, r.Document, r.Name, r.Fetch)
	for _, w := range decoded.Wants {
		decoded.Problems = append(decoded.Problems, instance.Problem{Origin: w.Origin, Line: w.Line, Warning: true,
			Message: "included documents are not checked without --fetch"})
	}
	return decoded
}
