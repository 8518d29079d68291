package simulate

import (
	"encoding/base64"
	"io"
	"net/http"
	"strings"
)

// Azure is Azure's Instance Metadata Service, and the wire server that takes
// the report of being ready.
type Azure struct {
	Machine
	// Old knows no version after 2019-06-01.
	Old bool
	// Health, if set, is given each health report. Calls may overlap.
	Health func(report string)
}

func (c Azure) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/machine") {
		c.wire(w, r)
		return
	}
	version := r.URL.Query().Get("api-version")
	switch {
	case r.Header.Get("Metadata") != "true":
		jsonError(w, http.StatusBadRequest, "Bad request. Required metadata header not specified")
		return
	case r.Header.Get("X-Forwarded-For") != "":
		jsonError(w, http.StatusBadRequest, "Bad request. X-Forwarded-For header is not allowed")
		return
	case version != "2021-08-01" && version != "2019-06-01", c.Old && version != "2019-06-01":
		jsonError(w, http.StatusBadRequest, "Bad request. api-version is invalid")
		return
	}
	keys := []any{}
	for _, k := range c.PublicKeys {
		keys = append(keys, map[string]string{"keyData": k + "\r\n", "path": "/home/azureuser/.ssh/authorized_keys"})
	}
	compute := map[string]any{
		"azEnvironment": "AzurePublicCloud", "location": "westus", "name": c.Hostname, "offer": "UbuntuServer",
		"osType": "Linux", "provider": "Microsoft.Compute", "publicKeys": keys, "vmId": c.InstanceID, "vmSize": "Standard_A3",
	}
	if version == "2021-08-01" {
		compute["userData"] = base64.StdEncoding.EncodeToString(c.UserData)
		compute["osProfile"] = map[string]string{"adminUsername": "azureuser", "computerName": c.Hostname}
	}
	interfaces := []any{map[string]any{"macAddress": "002248020E1E"}}
	if c.NICs != nil {
		interfaces = c.azure()
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	documents{"/metadata/instance": jsonOf(map[string]any{
		"compute": compute,
		"network": map[string]any{"interface": interfaces},
	})}.ServeHTTP(w, r)
}

// wire is the wire server.
func (c Azure) wire(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("x-ms-version") != "2012-11-30" {
		http.Error(w, "bad version", http.StatusBadRequest)
		return
	}
	switch r.Method + " " + r.URL.Query().Get("comp") {
	case "GET goalstate":
		io.WriteString(w, `<?xml version="1.0" encoding="utf-8"?>
<GoalState xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <Version>2012-11-30</Version>
  <Incarnation>1</Incarnation>
  <Machine><ExpectedState>Started</ExpectedState></Machine>
  <Container>
    <ContainerId>c6d5526c-5ac2-4200-b6e2-56f2b70c5ab2</ContainerId>
    <RoleInstanceList><RoleInstance><InstanceId>b61f93d0-e1ed-40b2-b067-22c243233448.vm</InstanceId></RoleInstance></RoleInstanceList>
  </Container>
</GoalState>
`)
	case "POST health":
		const most = 64 << 10
		body, err := io.ReadAll(io.LimitReader(r.Body, most))
		if err != nil || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/xml") {
			http.Error(w, "bad report", http.StatusBadRequest)
			return
		}
		if c.Health != nil {
			c.Health(string(body))
		}
	default:
		http.Error(w, "not found", http.StatusNotFound)
	}
}
