package cloudconfig_test

import (
	"fmt"
	"log"
	"os"

	"boothook/injector/cloudconfig"
	"boothook/injector/plan"
	"boothook/injector/userdata"
)

// Parts are merged as cloud-init merges them, and come to steps; what cannot
// be done is a problem with part and line, and costs nothing else.
func ExamplePlan() {
	doc := `#cloud-config
write_files:
- path: /etc/motd
  content: hello
  permissions: '0600'
- content: lost
locale: C.UTF-8
`
	decoded := userdata.Decode([]byte(doc), "user-data", nil, userdata.DefaultLimits())
	merged, problems := cloudconfig.Merge(decoded.Parts, nil, nil, nil)
	result := cloudconfig.Plan(cloudconfig.Context{InstanceDir: "/var/lib/cloud/instances/i-1"}, merged)

	if err := plan.List(os.Stdout, plan.Plan{Steps: result.Steps}); err != nil {
		log.Fatal(err)
	}
	for _, p := range append(problems, result.Problems...) {
		fmt.Println(p)
	}
	// Output:
	// file  /etc/motd (0600, 5 bytes)          # part-001:3 write_files (user-data)
	// file  /etc/locale.conf (0644, 13 bytes)  # part-001:7 locale (user-data)
	// user-data: part-001:6: an entry of write_files has no path
}

// Lint needs no root, and so finds only what no root could make good.
func ExampleLint() {
	doc := "#cloud-config\nhostnme: web1\nruncmd: 5\n"
	decoded := userdata.Decode([]byte(doc), "user-data", nil, userdata.DefaultLimits())
	for _, p := range cloudconfig.Lint(decoded.Parts) {
		if p.Warning {
			fmt.Print("warning: ")
		}
		fmt.Println(p)
	}
	// Output:
	// user-data: part-001:3: runcmd must be a list, not a number
	// warning: user-data: part-001:2: key "hostnme" is not known; did you mean "hostname"?
}
