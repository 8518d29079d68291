package source

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"boothook/netboot/fetch"
	"boothook/netboot/instance"
)

// Azure keeps a machine in the state "creating", and takes it for failed after
// some twenty minutes, until the machine has reported to the wire server that
// it is provisioned (WALinuxAgent's protocol of 2012-11-30).
const (
	azureWireserver       = "168.63.129.16" // unless DHCP says otherwise
	azureWireserverOption = 245             // by this option
	maxAzureText          = 512             // bytes of a description
)

func azureAgent() map[string]string {
	return map[string]string{"x-ms-agent-name": "WALinuxAgent", "x-ms-version": "2012-11-30"}
}

// tellAzure reports ready, or not ready and why.
func tellAzure(ctx context.Context, env *Env, out instance.Outcome) error {
	server := azureWireserver
	if said, ok := netip.AddrFromSlice(env.Lease.Options[azureWireserverOption]); ok {
		server = said.String()
	}
	resp, err := env.HTTP.Do(ctx, fetch.Request{URL: "http://" + server + "/machine/?comp=goalstate", Header: azureAgent()})
	if err != nil {
		return err
	}
	report, err := azureReport(string(resp.Body), out)
	if err != nil {
		return err
	}
	header := azureAgent()
	header["Content-Type"] = "text/xml; charset=utf-8"
	_, err = env.HTTP.Do(ctx, fetch.Request{
		Method: "POST", URL: "http://" + server + "/machine?comp=health", Header: header, Body: []byte(report),
	})
	return err
}

// azureReport answers a goal state with a health report.
func azureReport(goalState string, out instance.Outcome) (string, error) {
	var ids [3]string
	for i, name := range []string{"Incarnation", "ContainerId", "InstanceId"} {
		text, err := xmlText(goalState, name)
		if err != nil {
			return "", fmt.Errorf("%w: goal state: %s: %w", ErrMalformed, name, err)
		}
		ids[i] = text
	}
	state := "<State>Ready</State>"
	if !out.Applied {
		why := "provisioning failed"
		if len(out.Problems) > 0 {
			why = out.Problems[0].String()
		}
		state = "<State>NotReady</State><Details><SubStatus>ProvisioningFailed</SubStatus><Description>" +
			escapeXML(why[:min(len(why), maxAzureText)]) + "</Description></Details>"
	}
	return `<?xml version="1.0" encoding="utf-8"?>` +
		`<Health xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">` +
		"<GoalStateIncarnation>" + ids[0] + "</GoalStateIncarnation><Container><ContainerId>" + ids[1] +
		"</ContainerId><RoleInstanceList><Role><InstanceId>" + ids[2] + "</InstanceId><Health>" + state +
		"</Health></Role></RoleInstanceList></Container></Health>", nil
}

// unescapeXML undoes the entities that every XML document has.
func unescapeXML(s string) string {
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&quot;", `"`, "&apos;", "'", "&amp;", "&",
		"&#10;", "\n", "&#xA;", "\n", "&#xa;", "\n", "&#13;", "\r", "&#xD;", "\r", "&#xd;", "\r", "&#9;", "\t", "&#x9;", "\t").Replace(s)
}

func escapeXML(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(strings.ToValidUTF8(s, "?"))
}
