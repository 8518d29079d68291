package source

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"boothook/netboot/platform"
)

// maxMore bounds the documents that More is asked for at once.
const maxMore = 32

// More fetches more documents of the datasource's own tree than an instance is
// made of, by their names: paths such as "meta-data/placement/region". One that
// is not there is absent. No credentials are asked for.
func More(ctx context.Context, m platform.Match, env Env, names []string) (Docs, error) {
	s, err := Find(m.Source)
	if err != nil {
		return nil, err
	}
	if s.more == nil || len(names) > maxMore {
		return nil, fmt.Errorf("source %s: %w: %d documents", s.Name, ErrNoMore, len(names))
	}
	var want []doc
	for _, name := range names {
		if !fs.ValidPath(name) || strings.ContainsAny(name, "?#%") || strings.Contains(name, "credentials") {
			return nil, fmt.Errorf("source %s: %w: %q", s.Name, ErrNoMore, name)
		}
		want = append(want, doc{path: name})
	}
	docs, err := s.more(ctx, &env, want)
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", s.Name, err)
	}
	return docs, nil
}
