package source_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http/httptest"

	"boothook/netboot/fetch"
	"boothook/netboot/platform"
	"boothook/netboot/simulate"
	"boothook/netboot/source"
)

// Which clouds a machine may be in is told by the machine itself, without a
// packet. Without evidence there is nobody to ask.
func ExampleDetect() {
	evidence := platform.Evidence{
		DMI: map[string]string{
			"sys_vendor":   "Amazon EC2",
			"product_uuid": "ec2e1916-9099-7caf-fd21-012345abcdef",
		},
		Labels: []string{"cidata"},
	}
	for _, m := range source.Detect(&evidence) {
		fmt.Println(m.Source, "because of", m.Because)
	}
	fmt.Println(source.Detect(&platform.Evidence{}))
	// Output:
	// nocloud because of volume label is cidata
	// ec2 because of product_uuid is ec2e1916-9099-7caf-fd21-012345abcdef
	// []
}

// Documents are understood without any I/O, wherever they were found.
func ExampleParse() {
	docs := source.Docs{
		"meta-data": []byte("instance-id: i-1\nlocal-hostname: web1\n"),
		"user-data": []byte("#!/bin/sh\n"),
	}
	inst, err := source.Parse(platform.Match{Source: "nocloud"}, docs, &platform.Evidence{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s %s %q\n", inst.ID, inst.Hostname, inst.UserData)
	// Output: i-1 web1 "#!/bin/sh\n"
}

// A source is asked through the one HTTP client; here a simulated service
// answers at the address of the real one.
func ExampleFetch() {
	server := httptest.NewServer(simulate.EC2{Machine: simulate.Machine{
		InstanceID: "i-0123456789abcdef0", Hostname: "web1", UserData: []byte("#!/bin/sh\n"),
	}})
	defer server.Close()
	client := fetch.New(fetch.Config{Dial: dialTo(server.Listener.Addr().String())})
	defer client.Close()

	inst, err := source.Fetch(context.Background(), platform.Match{Source: "ec2"}, source.Env{HTTP: client})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s %s %q\n", inst.ID, inst.Hostname, inst.UserData)
	// Output: i-0123456789abcdef0 web1 "#!/bin/sh\n"
}

// dialTo leads every connection to one address.
func dialTo(addr string) func(ctx context.Context, network, _ string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
}
