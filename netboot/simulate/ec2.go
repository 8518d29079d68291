package simulate

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"time"
)

// EC2 is Amazon's instance metadata service (IMDS) in both versions, as the
// EC2 user guide describes it. Tokens are required unless V1 allows doing
// without. As the real service, it closes the connection after an answer
// unless the request says "Connection: keep-alive".
type EC2 struct {
	Machine
	// V1 answers requests without a token (HttpTokens=optional).
	V1 bool
	// NoTokens refuses the PUT for a token with this status, as services
	// that only know version 1 do; 0: tokens are given.
	NoTokens int
}

const (
	ec2Token    = "X-Aws-Ec2-Metadata-Token"
	ec2TokenTTL = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
	ec2MaxTTL   = 21600 // seconds
	ec2NotFound = `<?xml version="1.0" encoding="iso-8859-1"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"
	"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
 <head>
  <title>%[1]d - %[2]s</title>
 </head>
 <body>
  <h1>%[1]d - %[2]s</h1>
 </body>
</html>
`
)

// ec2Versions are the dated versions that are served, besides latest.
func ec2Versions() []string {
	return []string{"1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01",
		"2008-09-01", "2009-04-04", "2011-01-01", "2011-05-01", "2012-01-12", "2014-02-25", "2014-11-05",
		"2015-10-20", "2016-04-19", "2016-06-30", "2016-09-02", "2018-03-28", "2018-08-17", "2018-09-24",
		"2019-10-01", "2020-10-27", "2021-01-03", "2021-03-23", "2021-07-15", "2022-09-24", "latest"}
}

func (e EC2) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Server", "EC2ws")
	h.Set("Content-Type", "text/plain")
	if !strings.EqualFold(r.Header.Get("Connection"), "keep-alive") {
		h.Set("Connection", "close")
	}
	switch {
	case r.URL.Path == "/latest/api/token":
		e.token(w, r)
	case strings.HasPrefix(r.URL.Path, "/latest/api/token/"):
		w.WriteHeader(http.StatusForbidden)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		ec2Error(w, http.StatusMethodNotAllowed)
	case !e.admits(r.Header.Get(ec2Token)):
		ec2Error(w, http.StatusUnauthorized)
	default:
		if left := ec2TTLLeft(r.Header.Get(ec2Token)); left > 0 {
			h.Set(ec2TokenTTL, strconv.Itoa(left))
		}
		e.document(w, r.URL.Path)
	}
}

// token answers PUT /latest/api/token.
func (e EC2) token(w http.ResponseWriter, r *http.Request) {
	ttl, err := strconv.Atoi(r.Header.Get(ec2TokenTTL))
	switch {
	case r.Method != http.MethodPut:
		w.Header().Set("Allow", "OPTIONS, PUT")
		w.WriteHeader(http.StatusMethodNotAllowed)
	case e.NoTokens != 0:
		ec2Error(w, e.NoTokens)
	case r.Header.Get("X-Forwarded-For") != "":
		w.WriteHeader(http.StatusForbidden)
	case err != nil || ttl < 1 || ttl > ec2MaxTTL:
		ec2Error(w, http.StatusBadRequest)
	default:
		w.Header().Set(ec2TokenTTL, strconv.Itoa(ttl))
		fmt.Fprint(w, ec2NewToken(time.Now().Add(time.Duration(ttl)*time.Second)))
	}
}

// admits decides on a request's token. A bad token is refused even where
// none would do.
func (e EC2) admits(token string) bool {
	if token == "" {
		return e.V1
	}
	return ec2TTLLeft(token) > 0
}

// A token is its time of expiry, authenticated. Its length and look are those
// of the real ones.
func ec2NewToken(expiry time.Time) string {
	b := binary.BigEndian.AppendUint64([]byte{1, 0, 0, 0}, uint64(expiry.UnixMilli()))
	return base64.URLEncoding.EncodeToString(append(b, ec2MAC(b)...))
}

func ec2MAC(b []byte) []byte {
	mac := hmac.New(sha256.New, []byte("boothook's simulated EC2"))
	mac.Write(b)
	return mac.Sum(nil)[:28]
}

// ec2TTLLeft gives the seconds that a token still lives, rounded up; 0 for an
// expired or forged one.
func ec2TTLLeft(token string) int {
	b, err := base64.URLEncoding.DecodeString(token)
	if err != nil || len(b) != 40 || !hmac.Equal(b[12:], ec2MAC(b[:12])) {
		return 0
	}
	left := time.Until(time.UnixMilli(int64(binary.BigEndian.Uint64(b[4:12]))))
	return max(0, int((left+time.Second-1)/time.Second))
}

// document answers a GET below a version.
func (e EC2) document(w http.ResponseWriter, path string) {
	version, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if version == "" {
		fmt.Fprint(w, strings.Join(ec2Versions(), "\n"))
		return
	}
	known := false
	for _, v := range ec2Versions() {
		known = known || v == version
	}
	if !known {
		ec2Error(w, http.StatusNotFound)
		return
	}
	body, ok := lookup(e.tree(), rest)
	if rest == "" {
		// The top alone lists directories without a slash.
		body = []byte(strings.ReplaceAll(string(body), "/", ""))
	}
	if !ok {
		ec2Error(w, http.StatusNotFound)
		return
	}
	if rest == "user-data" {
		w.Header().Set("Content-Type", "application/octet-stream")
	}
	w.Header().Set("Accept-Ranges", "none")
	w.Header().Set("Last-Modified", time.Now().UTC().Truncate(24*time.Hour).Format(http.TimeFormat))
	w.Write(body)
}

func ec2Error(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	fmt.Fprintf(w, ec2NotFound, status, http.StatusText(status))
}

// tree gives every document by its path below the version.
func (e EC2) tree() map[string][]byte {
	text := map[string]string{
		"meta-data/ami-id":                      "ami-0abcdef1234567890",
		"meta-data/ami-launch-index":            strconv.Itoa(e.LaunchIndex),
		"meta-data/ami-manifest-path":           "(unknown)",
		"meta-data/hostname":                    e.Hostname,
		"meta-data/instance-action":             "none",
		"meta-data/instance-id":                 e.InstanceID,
		"meta-data/instance-life-cycle":         "on-demand",
		"meta-data/instance-type":               "t3.micro",
		"meta-data/local-hostname":              e.Hostname,
		"meta-data/local-ipv4":                  "10.0.0.10",
		"meta-data/placement/availability-zone": "us-east-1a",
		"meta-data/placement/region":            "us-east-1",
		"meta-data/profile":                     "default-hvm",
		"meta-data/reservation-id":              "r-0123456789abcdef0",
		"meta-data/security-groups":             "default",
		"meta-data/services/domain":             "amazonaws.com",
		"meta-data/services/partition":          "aws",
		// What must never be asked for is there to be seen in the log.
		"meta-data/iam/security-credentials/role": `{"Code":"Success","SecretAccessKey":"never to be fetched"}`,
	}
	var list []string
	for i, key := range e.PublicKeys {
		text[fmt.Sprintf("meta-data/public-keys/%d/openssh-key", i)] = key
		list = append(list, fmt.Sprintf("%d=%s", i, ec2KeyName(key, i)))
	}
	if list != nil {
		// Unlike other directories, this one lists "INDEX=NAME".
		text["meta-data/public-keys/"] = strings.Join(list, "\n")
		text["meta-data/public-keys"] = text["meta-data/public-keys/"]
	}
	e.addEC2(text)
	tree := map[string][]byte{"dynamic/instance-identity/document": e.identity()}
	for path, s := range text {
		tree[path] = []byte(s)
	}
	if e.UserData != nil {
		tree["user-data"] = e.UserData
	}
	return tree
}

// identity is the instance identity document, with the real one's fields.
func (e EC2) identity() []byte {
	b, err := json.MarshalIndent(map[string]any{
		"accountId": "123456789012", "architecture": "x86_64", "availabilityZone": "us-east-1a",
		"billingProducts": nil, "devpayProductCodes": nil, "marketplaceProductCodes": nil,
		"imageId": "ami-0abcdef1234567890", "instanceId": e.InstanceID, "instanceType": "t3.micro",
		"kernelId": nil, "pendingTime": "2026-01-02T03:04:05Z", "privateIp": "10.0.0.10",
		"ramdiskId": nil, "region": "us-east-1", "version": "2017-09-30",
	}, "", "  ")
	if err != nil {
		panic(err) // strings and nils always marshal
	}
	return b
}

// ec2KeyName gives a key pair's name: the key's comment.
func ec2KeyName(key string, index int) string {
	if f := strings.Fields(key); len(f) > 2 {
		return f[2]
	}
	return "key-" + strconv.Itoa(index)
}

// lookup finds a document, or lists a directory in EC2's form: names in order,
// one a line without a final newline, directories with a slash at their end.
func lookup(tree map[string][]byte, path string) ([]byte, bool) {
	if body, ok := tree[path]; ok {
		return body, true
	}
	dir := strings.TrimSuffix(path, "/")
	if dir != "" {
		dir += "/"
	}
	names := map[string]bool{}
	for p := range tree {
		rest, ok := strings.CutPrefix(p, dir)
		if !ok || rest == "" {
			continue
		}
		name, below, isDir := strings.Cut(rest, "/")
		if isDir && below != "" {
			name += "/"
		} else if isDir {
			continue // a directory's own listing
		}
		names[name] = true
	}
	if len(names) == 0 {
		return nil, false
	}
	list := make([]string, 0, len(names))
	for n := range names {
		if !names[n+"/"] {
			list = append(list, n)
		}
	}
	sort.Strings(list)
	return []byte(strings.Join(list, "\n")), true
}
