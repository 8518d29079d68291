package bake_test

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"time"

	"boothook/initramfs/archive"
	"boothook/initramfs/bake"
)

// readInitrd gives an initrd that somebody has made by hand.
func readInitrd() []byte {
	var initrd bytes.Buffer
	script := "#!/bin/sh\nmount -t proc proc /proc\nmount /dev/vda /root\nexec switch_root /root /sbin/init\n"
	if err := archive.Write(&initrd, []archive.File{
		{Name: "/init", Mode: archive.TypeRegular | 0o755, Data: []byte(script)},
	}); err != nil {
		log.Fatal(err)
	}
	return initrd.Bytes()
}

// readAgent stands for os.ReadFile("boothook-agent").
func readAgent() []byte { return bake.StaticProgram() }

// Bake gives what is to be appended; the initrd itself stays as it is.
func ExampleBake() {
	initrd := readInitrd()
	tail, base, report, err := bake.Bake(bytes.NewReader(initrd), int64(len(initrd)), bake.Options{
		Agent:   readAgent(),
		Cmdline: "boothook.source=ec2",
		Version: "1.0",
		Now:     time.Now(),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("made by", report.Generator)
	for _, name := range report.Files {
		fmt.Println(name)
	}

	baked := append(initrd[:base:base], tail...)
	in, err := bake.Open(bytes.NewReader(baked), int64(len(baked)))
	if err != nil {
		log.Fatal(err)
	}
	size, err := in.Original()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("baked by", in.Mark.Boothook, "and as it was:", bytes.Equal(baked[:size], initrd))
	// Output:
	// made by a shell script
	// /etc
	// /etc/boothook
	// /etc/boothook/cmdline
	// /init
	// /usr
	// /usr/lib
	// /usr/lib/boothook
	// /usr/lib/boothook/baked.json
	// /usr/lib/boothook/boothook-agent
	// baked by 1.0 and as it was: true
}

// Nothing is baked in twice unless that is asked for.
func ExampleBake_replace() {
	initrd := readInitrd()
	opts := bake.Options{Agent: readAgent(), Version: "1.0", Now: time.Now()}
	tail, _, _, err := bake.Bake(bytes.NewReader(initrd), int64(len(initrd)), opts)
	if err != nil {
		log.Fatal(err)
	}
	baked := append(bytes.Clone(initrd), tail...)

	_, _, _, err = bake.Bake(bytes.NewReader(baked), int64(len(baked)), opts)
	fmt.Println(errors.Is(err, bake.ErrBaked))

	opts.Replace = true
	_, base, _, err := bake.Bake(bytes.NewReader(baked), int64(len(baked)), opts)
	fmt.Println(base == int64(len(initrd)), err)
	// Output:
	// true
	// true <nil>
}
