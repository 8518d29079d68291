package upstart_test

import (
	"errors"
	"fmt"
	"log"

	"boothook/injector/jobs/upstart"
)

func ExampleParse() {
	job, err := upstart.Parse([]byte(`description "a web server"
start on filesystem and net-device-up IFACE=eth0
respawn
script
	exec /usr/sbin/httpd
end script
`))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(job.Description)
	fmt.Println("respawns:", job.Respawn)
	fmt.Print(string(upstart.Print(job)))
	// Output:
	// a web server
	// respawns: true
	// description "a web server"
	// start on filesystem and net-device-up IFACE=eth0
	// respawn
	// script
	// exec /usr/sbin/httpd
	// end script
}

// A job is refused in upstart's words, and at upstart's line.
func ExampleError() {
	_, err := upstart.Parse([]byte("start on startup\nexecute /bin/true\n"))
	if e, ok := errors.AsType[*upstart.Error](err); ok {
		fmt.Printf("line %d: %s\n", e.Line, e.Kind)
	}
	// Output: line 2: Unknown stanza
}

// Warnings are about what upstart accepts and nobody can have meant.
func ExampleJob_Warnings() {
	job, err := upstart.Parse([]byte("start on startup\ntask\n"))
	if err != nil {
		log.Fatal(err)
	}
	for _, w := range job.Warnings() {
		fmt.Printf("line %d: %s\n", w.Line, w.Message)
	}
	// Output:
	// line 2: a task without a process never ends, and holds the event that started it for ever
}
