package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"boothook/injector/userdata"
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

// fetchTimeout bounds the fetching of one address.
const fetchTimeout = 10 * time.Second

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

func runParts(ctx context.Context, e env, args []string) error {
	fs := newFlags(e, "parts", "parts [--json] [--fetch] FILE|-", partsHelp)
	asJSON := fs.Bool("json", false, "print JSON")
	fetch := fs.Bool("fetch", false, "fetch what #include names")
	origin := fs.String("origin", "user-data", "what to call the document")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return usagef("%v", err)
	}
	if fs.NArg() != 1 {
		return usagef("parts: exactly one FILE is needed")
	}
	doc, err := readDocument(e, fs.Arg(0))
	if err != nil {
		return fmt.Errorf("parts: %w", err)
	}
	decoded := decodeAll(ctx, doc, *origin, *fetch)
	list := listParts(decoded)
	if *asJSON {
		out := json.NewEncoder(e.stdout)
		out.SetEscapeHTML(false)
		out.SetIndent("", "  ")
		err = out.Encode(list)
	} else {
		err = list.writeTable(e.stdout)
	}
	if err != nil {
		return fmt.Errorf("parts %s: %w", fs.Arg(0), err)
	}
	if !usable(decoded) {
		return fmt.Errorf("parts %s: %w", fs.Arg(0), errNothingUsable)
	}
	return nil
}

// readDocument reads a file, or standard input for "-".
func readDocument(e env, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(e.stdin)
	}
	return os.ReadFile(name)
}

// decodeAll decodes doc and, if fetch is set, everything it includes.
func decodeAll(ctx context.Context, doc []byte, origin string, fetch bool) userdata.Decoded {
	limits := userdata.DefaultLimits()
	answers := map[string]userdata.Answer{}
	for {
		decoded := userdata.Decode(doc, origin, answers, limits)
		if !fetch || len(decoded.Wants) == 0 {
			return decoded
		}
		for _, w := range decoded.Wants {
			body, err := fetchDocument(ctx, w.URL, int64(limits.Total))
			answers[w.URL] = userdata.Answer{Body: body, Err: err}
		}
	}
}

// fetchDocument reads a file of this machine or fetches over http, and gives
// up beyond most bytes.
func fetchDocument(ctx context.Context, url string, most int64) ([]byte, error) {
	var in io.ReadCloser
	switch scheme, rest, ok := strings.Cut(url, "://"); {
	case ok && (scheme == "http" || scheme == "https"):
		ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return nil, err
		}
		in = resp.Body
		if resp.StatusCode != http.StatusOK {
			in.Close()
			return nil, fmt.Errorf("the server says %s", resp.Status)
		}
	case ok && scheme != "file":
		return nil, fmt.Errorf("addresses with %s:// are not fetched", scheme)
	default:
		name := url
		if ok {
			name = rest
		}
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		in = f
	}
	defer in.Close()
	body, err := io.ReadAll(io.LimitReader(in, most+1))
	if err == nil && int64(len(body)) > most {
		err = userdata.ErrLimit
	}
	return body, err
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
		list.Errors = append(list.Errors, fmt.Sprintf("%s: line %d: include: %s was not fetched", w.Origin, w.Line, userdata.WithoutSecrets(w.URL)))
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
