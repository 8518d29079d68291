package archive_test

import (
	"bytes"
	"fmt"
	"log"

	"boothook/initramfs/archive"
)

// twoSegments is an initrd whose /lib is a link, and a segment behind it.
func twoSegments() []byte {
	var initrd, second bytes.Buffer
	err := archive.Write(&initrd, []archive.File{
		{Name: "/usr", Mode: archive.TypeDir | 0o755},
		{Name: "/usr/lib", Mode: archive.TypeDir | 0o755},
		{Name: "/lib", Mode: archive.TypeSymlink | 0o777, Data: []byte("usr/lib")},
		{Name: "/init", Mode: archive.TypeRegular | 0o755, Data: []byte("#!/bin/sh\n")},
	})
	if err == nil {
		err = archive.Write(&second, []archive.File{{Name: "/usr/lib/late", Mode: archive.TypeRegular | 0o644, Data: []byte("added\n")}})
	}
	if err == nil {
		err = archive.Compress(&initrd, archive.Zstd, second.Bytes())
	}
	if err != nil {
		log.Fatal(err)
	}
	return initrd.Bytes()
}

// An initrd is a chain of archives; what it comes to is one tree.
func ExampleRead() {
	initrd := twoSegments()
	tree, segments, err := archive.Read(bytes.NewReader(initrd), int64(len(initrd)), archive.KeepSmall(4096))
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range segments {
		fmt.Printf("segment %d: %s, %d entries\n", s.Index, s.Compression, s.Entries)
	}
	_, path, err := tree.Lookup("/lib/late")
	if err != nil {
		log.Fatal(err)
	}
	text, err := tree.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %s", path, text)
	// Output:
	// segment 0: none, 4 entries
	// segment 1: zstd, 1 entries
	// /usr/lib/late: added
}

// A directory /lib in a further segment would replace the link, and what lies
// in /usr/lib would no longer be found by that name.
func ExampleTree_Overlay() {
	initrd := twoSegments()
	tree, _, err := archive.Read(bytes.NewReader(initrd), int64(len(initrd)), archive.KeepSmall(0))
	if err != nil {
		log.Fatal(err)
	}
	files, err := tree.Overlay([]archive.File{
		{Name: "/lib/modules/list", Mode: archive.TypeRegular | 0o644, Data: []byte("ext4\n")},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range files {
		fmt.Printf("%06o %s\n", f.Mode, f.Name)
	}
	// Output:
	// 040755 /usr/lib/modules
	// 100644 /usr/lib/modules/list
}
