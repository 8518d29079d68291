package injector_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"boothook/injector"
	"boothook/injector/root"
	"boothook/netboot/instance"
)

// A directory is customized as the root of a new instance would be: hooks are
// left to its boot, and files belong to whoever runs this.
func ExampleInject() {
	dir, err := os.MkdirTemp("", "root-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	r, err := root.Open(dir)
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()

	inst := instance.Instance{
		Source: "nocloud", ID: "iid-1", Hostname: "web1",
		UserData: []byte("#cloud-config\nwrite_files: [{path: /etc/motd, content: hello}]\nbootcmd: [[date]]\n"),
	}
	ctx, cancel := context.WithTimeout(context.Background(), injector.ApplyTime)
	defer cancel()
	prepared := injector.Prepare(ctx, inst, nil)
	result := injector.Inject(ctx, r, prepared, injector.Options{
		NoHooks: true,
		Apply:   root.Options{AnyOwner: true, Now: func() time.Time { return time.Unix(0, 0) }},
	})

	fmt.Println("applied:", result.Outcome.Applied)
	for _, p := range result.Outcome.Problems {
		fmt.Println(p)
	}
	for _, name := range []string{"etc/motd", "etc/hostname"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		fmt.Printf("%s: %q %v\n", name, text, err)
	}
	// Output:
	// applied: true
	// boothook: 1 hooks are left to the boot
	// boothook: late scripts are not started: no job for init unknown
	// etc/motd: "hello" <nil>
	// etc/hostname: "web1\n" <nil>
}
