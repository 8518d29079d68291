package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"boothook/cmd/boothook/includes"
	"boothook/injector/userdata"
	"boothook/netboot/instance"
)

const partsHelp = `List the parts of the user-data in FILE, as boothook and cloud-init tell them
apart: name, type, where each stands, and what is wrong with it.

LAUNCH is the launch index that a part asks for: "never" is what it asks for
if it gives no number, in JSON the lowest one there is (-2^63).

Addresses that an #include names are listed as errors. With --fetch they are
fetched: http and https addresses, and files of this machine.

The exit status is 1 when FILE cannot be read or not one part of it can be
used; a bad part among good ones is an error in the list, and status 0.
"boothook lint" is stricter.`

var errNothingUsable = errors.New("no part can be used")

// A partList is the JSON form of what was decoded.
type partList struct {
	Parts  []partEntry `json:"parts"`
	Errors []string    `json:"errors"`
}

type partEntry struct {
	Index        int     `json:"index"`
	Name         string  `json:"name"`
	Type         string  `json:"type"`
	DeclaredType string  `json:"declared_type"`
	Origin       string  `json:"origin"`
	LaunchIndex  *int    `json:"launch_index"`
	Size         int     `json:"size"`
	SHA256       string  `json:"sha256"`
	Error        *string `json:"error"`
}

// A partsCommand is what "boothook parts" was asked for.
type partsCommand struct {
	json, fetch bool
	origin      string
}

func newParts() *cobra.Command {
	var p partsCommand
	cmd := &cobra.Command{
		Use:               "parts [flags] FILE|-",
		Short:             "list the parts of user-data",
		Long:              partsHelp,
		Args:              exactlyOneFile,
		ValidArgsFunction: oneFile,
		RunE:              func(cmd *cobra.Command, args []string) error { return p.run(cmd, args[0]) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&p.json, "json", false, "print JSON")
	flags.BoolVar(&p.fetch, "fetch", false, "fetch what #include names")
	flags.StringVar(&p.origin, "origin", "user-data", "what to call the `document`")
	completesNothing(cmd, "origin")
	return cmd
}

func (p *partsCommand) run(cmd *cobra.Command, file string) error {
	doc, err := readDocument(cmd, file)
	if err != nil {
		return fmt.Errorf("parts: %w", err)
	}
	decoded := includes.Decode(cmd.Context(), doc, p.origin, p.fetch)
	list := listParts(decoded)
	if p.json {
		out := json.NewEncoder(cmd.OutOrStdout())
		out.SetEscapeHTML(false)
		out.SetIndent("", "  ")
		err = out.Encode(list)
	} else {
		err = list.writeTable(cmd.OutOrStdout())
	}
	if err != nil {
		return fmt.Errorf("parts %s: %w", file, err)
	}
	if !usable(decoded) {
		return fmt.Errorf("parts %s: %w", file, errNothingUsable)
	}
	return nil
}

// usable reports whether a part of decoded, or one still to be fetched, can
// be used. An empty document asks for nothing and is fine.
func usable(decoded userdata.Decoded) bool {
	for _, p := range decoded.Parts {
		if p.Err == nil {
			return true
		}
	}
	return len(decoded.Wants) > 0
}

func listParts(decoded userdata.Decoded) partList {
	list := partList{Parts: []partEntry{}, Errors: []string{}}
	for _, p := range decoded.Parts {
		sum := sha256.Sum256(p.Body)
		entry := partEntry{
			Index: p.Index, Name: p.Name, Type: p.Type, DeclaredType: p.DeclaredType, Origin: p.Origin,
			LaunchIndex: p.LaunchIndex, Size: len(p.Body), SHA256: hex.EncodeToString(sum[:]),
		}
		if p.Err != nil {
			message := p.Err.Error()
			entry.Error = &message
		}
		list.Parts = append(list.Parts, entry)
	}
	for _, p := range decoded.Problems {
		list.Errors = append(list.Errors, p.String())
	}
	for _, w := range decoded.Wants {
		list.Errors = append(list.Errors, fmt.Sprintf("%s: line %d: include: %s was not fetched", w.Origin, w.Line, instance.Redact(w.URL)))
	}
	return list
}

// writeTable prints the list for people.
func (l partList) writeTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "#\tNAME\tTYPE\tSIZE\tLAUNCH\tORIGIN")
	for _, p := range l.Parts {
		launch := "any"
		if p.LaunchIndex != nil {
			launch = strconv.Itoa(*p.LaunchIndex)
			if *p.LaunchIndex == userdata.NoLaunchIndex {
				launch = "never"
			}
		}
		fmt.Fprintf(t, "%d\t%q\t%s\t%d\t%s\t%s\n", p.Index, p.Name, p.Type, p.Size, launch, p.Origin)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, problem := range l.Errors {
		if _, err := fmt.Fprintf(w, "%s\n", problem); err != nil {
			return err
		}
	}
	return nil
}
