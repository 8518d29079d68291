package injector

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"
	"sync"

	"boothook/injector/digest"
	"boothook/injector/userdata"
	"boothook/netboot/instance"
)

// A Getter fetches what an #include names over the network. It bounds time
// and size itself.
type Getter interface {
	Get(ctx context.Context, url string) ([]byte, error)
}

// A fileReader is the part of a root that answers an #include.
type fileReader interface {
	ReadFileMax(path string, limit int64) ([]byte, error)
}

const (
	// maxInclude bounds one included file of the root, in bytes.
	maxInclude = 16 << 20
	// maxRounds bounds how often decoding asks for more. The decoder's own
	// bound on the depth of includes ends it long before.
	maxRounds = 64
)

var (
	errNoNetwork = errors.New("there is no network to fetch it over")
	errScheme    = errors.New("only http, https and file addresses can be included")
)

// Prepared is an instance whose documents are decoded as far as that goes
// without its root: what an #include names in the network is there already.
// Only Prepare makes one, so that whoever has one has decoded documents; where
// nothing is decoded yet, what is passed on is the instance.Instance.
type Prepared struct {
	instance  instance.Instance
	documents documents
}

// Documents are an instance's user-data, vendor-data and vendor-data2, in the
// order in which cloud-init handles them.
type documents [3]*document

const (
	user = iota
	vendor
	vendor2
)

// A document is one of an instance's bodies with what decoding made of it.
// Once it is decoded it does not change; answering more makes another one.
type document struct {
	origin string
	body   []byte
	// answers are what is known of the addresses that it includes.
	answers map[string]userdata.Answer
	// fetchedOnce holds the answers that are to be kept for the instance's
	// life, by address.
	fetchedOnce map[string][]byte
	userdata.Decoded
}

// Prepare decodes the documents of an instance and fetches over the network,
// all at once, what they include. With a nil getter nothing is fetched, and
// the includes that needed it are problems.
func Prepare(ctx context.Context, inst instance.Instance, get Getter) *Prepared {
	p := &Prepared{instance: inst, documents: documents{
		user:    {origin: "user-data", body: inst.UserData},
		vendor:  {origin: "vendor-data", body: inst.VendorData},
		vendor2: {origin: "vendor-data2", body: inst.VendorData2},
	}}
	for i, d := range p.documents {
		// A source without vendor-data has none; empty user-data is a part.
		if i != user && len(d.body) == 0 {
			continue
		}
		p.documents[i] = d.complete(func(w userdata.Want) lookup {
			if w.Once || rootPath(w.URL) != "" {
				return nil
			}
			return func() ([]byte, error) { return fetch(ctx, get, w.URL) }
		})
	}
	return p
}

// prepareStored decodes what a root has stored. A document that includes
// something, which cannot be fetched now, is taken from its flat form, in which
// the answers are those of the boot that stored it.
func prepareStored(inst instance.Instance, flat [3][]byte) *Prepared {
	p := Prepare(context.Background(), inst, nil)
	for i, d := range p.documents {
		if len(d.answers) > 0 && len(flat[i]) > 0 {
			stored := &document{origin: d.origin, body: flat[i]}
			p.documents[i] = stored.complete(func(userdata.Want) lookup { return nil })
		}
	}
	return p
}

// A lookup finds what an address leads to.
type lookup func() ([]byte, error)

// complete decodes, and decodes again with the answers to what was wanted,
// until there is nothing more wanted that ask gives a lookup for. All lookups
// of one round are made at once.
func (d *document) complete(ask func(userdata.Want) lookup) *document {
	answers := map[string]userdata.Answer{}
	maps.Copy(answers, d.answers)
	out := &document{origin: d.origin, body: d.body, answers: answers}
	for range maxRounds {
		out.Decoded = userdata.Decode(d.body, d.origin, answers, userdata.DefaultLimits())
		var (
			wait sync.WaitGroup
			lock sync.Mutex
			any  bool
		)
		for _, w := range out.Wants {
			look := ask(w)
			if look == nil {
				continue
			}
			any = true
			wait.Go(func() {
				body, err := look()
				lock.Lock()
				defer lock.Unlock()
				answers[w.URL] = userdata.Answer{Body: body, Err: err}
			})
		}
		wait.Wait()
		if !any {
			break
		}
	}
	return out
}

// finish answers from the root what only the root can answer: files, and
// addresses that are fetched once in an instance's life. Those that nothing
// is kept of are fetched now.
func (d *document) finish(ctx context.Context, files fileReader, instanceDir string, get Getter) *document {
	if len(d.Wants) == 0 {
		return d
	}
	fetched := map[string][]byte{}
	var lock sync.Mutex
	once := func(url string) ([]byte, error) {
		if kept, err := files.ReadFileMax(cachePath(instanceDir, url), maxInclude); err == nil {
			return kept, nil
		}
		body, err := fetch(ctx, get, url)
		if err == nil {
			lock.Lock()
			defer lock.Unlock()
			fetched[url] = body
		}
		return body, err
	}
	out := d.complete(func(w userdata.Want) lookup {
		path := rootPath(w.URL)
		switch {
		case path != "":
			return func() ([]byte, error) {
				body, err := files.ReadFileMax(path, maxInclude)
				if named := (*fs.PathError)(nil); errors.As(err, &named) {
					err = named.Err // the message says the address already, without passwords
				}
				return body, err
			}
		case w.Once:
			return func() ([]byte, error) { return once(w.URL) }
		}
		return func() ([]byte, error) { return fetch(ctx, get, w.URL) }
	})
	out.fetchedOnce = fetched
	return out
}

// empty says that nobody sent anything to be acted on.
func (d *documents) empty() bool {
	return len(d[user].body)+len(d[vendor].body)+len(d[vendor2].body) == 0
}

func fetch(ctx context.Context, get Getter, url string) ([]byte, error) {
	scheme, _, _ := strings.Cut(url, ":")
	if s := strings.ToLower(scheme); s != "http" && s != "https" {
		return nil, errScheme
	}
	if get == nil {
		return nil, errNoNetwork
	}
	return get.Get(ctx, url)
}

// rootPath gives the path that an address means in the root; empty for none.
func rootPath(url string) string {
	if strings.HasPrefix(url, "/") {
		return url
	}
	const scheme = "file://"
	if len(url) > len(scheme) && strings.EqualFold(url[:len(scheme)], scheme) && url[len(scheme)] == '/' {
		return url[len(scheme):]
	}
	return ""
}

// cachePath is where an instance keeps what #include-once fetched, under the
// name that cloud-init gives it.
func cachePath(instanceDir, url string) string {
	sum := digest.MD5([]byte(url))
	return fmt.Sprintf("%s/data/urlcache/%s", instanceDir, hex.EncodeToString(sum[:]))
}
