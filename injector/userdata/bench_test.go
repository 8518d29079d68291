package userdata_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"testing"

	"boothook/injector/userdata"
)

// multipart makes a message of n parts that is about size bytes long: plain
// scripts and base64 cloud-config in turns.
func multipart(size, n int) []byte {
	var buf bytes.Buffer
	buf.WriteString("Content-Type: multipart/mixed; boundary=\"=====\"\nMIME-Version: 1.0\n\n")
	for i := range n {
		fmt.Fprintf(&buf, "--=====\nContent-Disposition: attachment; filename=\"f%d\"\n", i)
		rest := size/n - 150
		if i%2 == 0 {
			buf.WriteString("Content-Type: text/x-shellscript\n\n#!/bin/sh\n")
			buf.Write(bytes.Repeat([]byte("echo some line of a script that does not do much\n"), rest/49+1))
		} else {
			buf.WriteString("Content-Type: text/cloud-config\nContent-Transfer-Encoding: base64\n\n")
			plain := bytes.Repeat([]byte("# a comment in a cloud-config document, a long one\n"), rest*3/4/52+1)
			encoded := base64.StdEncoding.EncodeToString(plain)
			for len(encoded) > 76 {
				buf.WriteString(encoded[:76] + "\n")
				encoded = encoded[76:]
			}
			buf.WriteString(encoded + "\n")
		}
	}
	buf.WriteString("--=====--\n")
	return buf.Bytes()
}

// BenchmarkDecode shows that time is linear in size: its MB/s stay.
func BenchmarkDecode(b *testing.B) {
	for _, mib := range []int{1, 2, 4, 8, 16} {
		doc := multipart(mib<<20, 1000)
		b.Run(fmt.Sprintf("%dMiB", mib), func(b *testing.B) {
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			for b.Loop() {
				d := userdata.Decode(doc, "user-data", nil, userdata.DefaultLimits())
				if len(d.Parts) != 1000 || len(d.Problems) > 0 {
					b.Fatalf("%d parts, problems %v", len(d.Parts), d.Problems)
				}
			}
		})
	}
}
