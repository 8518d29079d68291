// Package includes decodes user-data on the builder's machine, with what its
// #include parts name: the agent's part of that work at boot, without its
// deadlines and retries.
package includes

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"boothook/injector/userdata"
)

// fetchTimeout bounds the fetching of one address.
const fetchTimeout = 10 * time.Second

// Decode decodes doc and, if fetch is set, everything that it includes. What
// could not be fetched is among the problems, what was not is a want.
func Decode(ctx context.Context, doc []byte, origin string, fetch bool) userdata.Decoded {
	limits := userdata.DefaultLimits()
	answers := map[string]userdata.Answer{}
	for {
		decoded := userdata.Decode(doc, origin, answers, limits)
		if !fetch || len(decoded.Wants) == 0 {
			return decoded
		}
		for _, w := range decoded.Wants {
			body, err := Fetch(ctx, w.URL)
			answers[w.URL] = userdata.Answer{Body: body, Err: err}
		}
	}
}

// Getter is [Fetch] for those who take an injector.Getter.
type Getter struct{}

// Get fetches what user-data includes.
func (Getter) Get(ctx context.Context, url string) ([]byte, error) { return Fetch(ctx, url) }

// Fetch reads a file of this machine (file:// or a plain path) or fetches an
// http or https address, within ten seconds. It gives up beyond the size that
// user-data may have ([userdata.ErrLimit]).
func Fetch(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	in, err := open(ctx, url)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	most := int64(userdata.DefaultLimits().Total)
	body, err := io.ReadAll(io.LimitReader(in, most+1))
	if err == nil && int64(len(body)) > most {
		err = userdata.ErrLimit
	}
	return body, err
}

func open(ctx context.Context, url string) (io.ReadCloser, error) {
	scheme, rest, ok := strings.Cut(url, "://")
	switch {
	case !ok:
		return os.Open(url)
	case scheme == "file":
		return os.Open(rest)
	case scheme != "http" && scheme != "https":
		return nil, fmt.Errorf("addresses with %s:// are not fetched", scheme)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("the server says %s", resp.Status)
	}
	return resp.Body, nil
}
