package simulate

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// MAAS is MAAS's metadata service, and the cloud-config that leads there, at
// /preseed. It refuses a request that is not signed, or signed as another was
// before, or long ago.
type MAAS struct {
	Machine
	seen *sync.Map // nonces
}

// NewMAAS makes the service of a machine.
func NewMAAS(m Machine) MAAS { return MAAS{m, new(sync.Map)} }

const maasSkew = 5 * time.Minute

func (c MAAS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/preseed" {
		fmt.Fprintf(w, "#cloud-config\ndatasource:\n  MAAS: {consumer_key: ckey, token_key: tkey, token_secret: 't&s', metadata_url: 'http://%s/MAAS/metadata/'}\n", r.Host)
		return
	}
	if !c.signed(r.Header.Get("Authorization")) {
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
		return
	}
	const base = "/MAAS/metadata/2012-03-01/"
	d := documents{
		base + "meta-data/instance-id":    []byte(c.InstanceID),
		base + "meta-data/local-hostname": []byte(c.Hostname),
		base + "user-data":                c.UserData,
	}
	if len(c.PublicKeys) > 0 {
		d[base+"meta-data/public-keys"] = []byte(strings.Join(c.PublicKeys, "\n"))
	}
	if c.VendorData != nil {
		d[base+"meta-data/vendor-data"] = jsonOf(map[string]string{"cloud-init": string(c.VendorData)})
	}
	d.ServeHTTP(w, r)
}

// signed checks a signature of OAuth 1.0, method PLAINTEXT.
func (c MAAS) signed(header string) bool {
	field := map[string]string{}
	for _, m := range regexp.MustCompile(`(oauth_\w+)="([^"]*)"`).FindAllStringSubmatch(header, -1) {
		field[m[1]] = m[2]
	}
	seconds, err := strconv.ParseInt(field["oauth_timestamp"], 10, 64)
	if err != nil || !strings.HasPrefix(header, "OAuth ") || time.Since(time.Unix(seconds, 0)).Abs() > maasSkew {
		return false
	}
	if _, again := c.seen.LoadOrStore(field["oauth_nonce"], true); again || field["oauth_nonce"] == "" {
		return false
	}
	// The secrets are escaped once as such, and once as the field's value.
	return field["oauth_consumer_key"] == "ckey" && field["oauth_token"] == "tkey" &&
		field["oauth_signature_method"] == "PLAINTEXT" && field["oauth_signature"] == "%26t%2526s"
}
