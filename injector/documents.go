package injector

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
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

// A reader is the part of a root that answers an #include.
type reader interface {
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

// A document is one of an instance's bodies with what decoding made of it.
type document struct {
	origin  string
	body    []byte
	answers map[string]userdata.Answer
	// cached holds the once-only answers that are to be kept, by address.
	cached map[string][]byte
	userdata.Decoded
}

// Prepared is an instance whose documents are decoded as far as that goes
// without its root: what an #include names in the network is there already.
// Only Prepare makes one, so that whoever has one has decoded documents; where
// nothing is decoded yet, what is passed on is the instance.Instance.
type Prepared struct {
	instance              instance.Instance
	user, vendor, vendor2 document
}

// Prepare decodes the documents of an instance and fetches over the network,
// all at once, what they include. With a nil getter nothing is fetched, and
// the includes that needed it are problems.
func Prepare(ctx context.Context, inst instance.Instance, get Getter) *Prepared {
	p := &Prepared{
		instance: inst,
		user:     document{origin: "user-data", body: inst.UserData},
		vendor:   document{origin: "vendor-data", body: inst.VendorData},
		vendor2:  document{origin: "vendor-data2", body: inst.VendorData2},
	}
	for _, d := range p.documents() {
		// A source without vendor-data has none; empty user-data is a part.
		if d != &p.user && len(d.body) == 0 {
			continue
		}
		d.complete(func(w userdata.Want) (func() ([]byte, error), bool) {
			if w.Once || rootPath(w.URL) != "" {
				return nil, false
			}
			return func() ([]byte, error) { return fetch(ctx, get, w.URL) }, true
		})
	}
	return p
}

// recall decodes what is stored: a document that includes something, which
// cannot be fetched now, is taken as it was when it could.
func (p *Prepared) recall(flat [3][]byte) {
	for i, d := range p.documents() {
		if len(d.answers) > 0 && len(flat[i]) > 0 {
			d.body, d.answers = flat[i], nil
			d.complete(func(userdata.Want) (func() ([]byte, error), bool) { return nil, false })
		}
	}
}

// finish answers from the root what only the root can answer: files, and
// addresses that are fetched once in an instance's life. Those that nothing
// is kept of are fetched now.
func (p *Prepared) finish(ctx context.Context, root reader, instanceDir string, get Getter) {
	for _, d := range p.documents() {
		if len(d.Wants) == 0 {
			continue
		}
		d.cached = map[string][]byte{}
		var lock sync.Mutex
		d.complete(func(w userdata.Want) (func() ([]byte, error), bool) {
			if path := rootPath(w.URL); path != "" {
				return func() ([]byte, error) { return root.ReadFileMax(path, maxInclude) }, true
			}
			return func() ([]byte, error) {
				if !w.Once {
					return fetch(ctx, get, w.URL)
				}
				kept, err := root.ReadFileMax(cachePath(instanceDir, w.URL), maxInclude)
				if err == nil {
					return kept, nil
				}
				body, err := fetch(ctx, get, w.URL)
				if err == nil {
					lock.Lock()
					d.cached[w.URL] = body
					lock.Unlock()
				}
				return body, err
			}, true
		})
	}
}

// hasUserData says that somebody sent something to be acted on.
func (p *Prepared) hasUserData() bool {
	for _, d := range p.documents() {
		if len(d.body) > 0 {
			return true
		}
	}
	return false
}

func (p *Prepared) documents() []*document {
	return []*document{&p.user, &p.vendor, &p.vendor2}
}

// complete decodes, and decodes again with the answers to what was wanted,
// until nothing is wanted that answer offers to find out. All answers of one
// round are sought at once.
func (d *document) complete(answer func(userdata.Want) (func() ([]byte, error), bool)) {
	if d.answers == nil {
		d.answers = map[string]userdata.Answer{}
	}
	for range maxRounds {
		d.Decoded = userdata.Decode(d.body, d.origin, d.answers, userdata.DefaultLimits())
		var (
			wait sync.WaitGroup
			lock sync.Mutex
			any  bool
		)
		for _, w := range d.Wants {
			ask, ok := answer(w)
			if !ok {
				continue
			}
			any = true
			wait.Go(func() {
				body, err := ask()
				lock.Lock()
				defer lock.Unlock()
				d.answers[w.URL] = userdata.Answer{Body: body, Err: err}
			})
		}
		wait.Wait()
		if !any {
			return
		}
	}
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
