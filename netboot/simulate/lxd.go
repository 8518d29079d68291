package simulate

import (
	"encoding/json"
	"io"
	"net/http"
)

// LXD is the API that LXD gives its instances over a socket.
type LXD struct {
	Machine
	// State, if set, is given each state that the instance says it is in.
	State func(string)
}

func (c LXD) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/1.0" && r.Method == http.MethodPatch {
		var to struct{ State string }
		if json.NewDecoder(io.LimitReader(r.Body, 4096)).Decode(&to) != nil || to.State != "Ready" && to.State != "Started" {
			http.Error(w, "bad request", http.StatusBadRequest)
			return
		}
		if c.State != nil {
			c.State(to.State)
		}
		w.Write([]byte("{}"))
		return
	}
	d := documents{
		"/1.0":           jsonOf(map[string]any{"api_version": "1.0", "state": "Started", "instance_type": "container"}),
		"/1.0/meta-data": []byte("#cloud-config\ninstance-id: " + c.InstanceID + "\nlocal-hostname: " + c.Hostname + "\n"),
	}
	listed := []string{}
	for name, body := range map[string][]byte{"user-data": c.UserData, "vendor-data": c.VendorData} {
		if body != nil {
			path := "/1.0/config/cloud-init." + name
			d[path] = body
			listed = append(listed, path)
		}
	}
	d["/1.0/config"] = jsonOf(listed)
	d.ServeHTTP(w, r)
}
