package plan_test

import (
	"fmt"
	"log"
	"os"

	"boothook/injector/plan"
)

// Of two steps for one file the later one stays; the other one, and a step that
// cannot be meant, is left out and said.
func ExampleNormalize() {
	why := plan.Why{Part: "part-001", Line: 3, Key: "write_files", Origin: "user-data"}
	p, problems := plan.Normalize(plan.Plan{Version: plan.Version, InstanceID: "i-1", Steps: []plan.Step{
		{Kind: plan.File, Path: "/etc/motd", Body: []byte("first"), Mode: 0o644, Why: why},
		{Kind: plan.File, Path: "/etc/motd", Body: []byte("second"), Mode: 0o600, Why: why},
		{Kind: plan.Hostname, Body: []byte("web1"), Why: plan.Why{Part: "meta-data", Key: "hostname"}},
		{Kind: plan.File, Path: "not/absolute", Why: why},
	}})
	if err := plan.List(os.Stdout, p); err != nil {
		log.Fatal(err)
	}
	for _, problem := range problems {
		fmt.Println(problem)
	}
	// Output:
	// file      /etc/motd (0600, 6 bytes)  # part-001:3 write_files (user-data)
	// hostname  /etc/hostname (web1)       # meta-data hostname
	// user-data: part-001:3: file /etc/motd: left out, because part-001:3 is about the same path
	// user-data: part-001:3: file not/absolute: invalid step: path "not/absolute" is not absolute
}
