package userdata_test

import (
	"fmt"

	"boothook/injector/userdata"
)

// Decoding does no I/O: it says what an #include wants, and is done again with
// the answers.
func ExampleDecode() {
	doc := []byte("#include\nhttp://example.com/setup\n")
	answers := map[string]userdata.Answer{}
	first := userdata.Decode(doc, "user-data", answers, userdata.DefaultLimits())
	for _, w := range first.Wants {
		fmt.Println("wanted:", w.URL)
		answers[w.URL] = userdata.Answer{Body: []byte("#!/bin/sh\necho hello\n")}
	}
	done := userdata.Decode(doc, "user-data", answers, userdata.DefaultLimits())
	for _, p := range done.Parts {
		fmt.Println(p.Name, p.Type, "from", p.Origin)
	}
	// Output:
	// wanted: http://example.com/setup
	// part-001 text/x-shellscript from http://example.com/setup
}
