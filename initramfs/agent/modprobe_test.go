package agent

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boothook/injector/plan"
	"boothook/netboot/instance"
)

// Options for a module that is loaded already are a warning, whatever the
// spelling of its name; all else is left alone.
func TestOptionsTooLate(t *testing.T) {
	sysfs := t.TempDir()
	if err := os.MkdirAll(sysfs+"/module/virtio_net", 0o755); err != nil {
		t.Fatal(err)
	}
	file := func(path, body string) plan.Step {
		return plan.Step{Kind: plan.File, Path: path, Body: []byte(body), Why: plan.Why{Origin: "user-data", Part: "p", Line: 4}}
	}
	got := optionsTooLate(sysfs, []plan.Step{
		file("/etc/modprobe.d/a.conf", "# options virtio_net x=1\noptions loop max_loop=3\n options\nblacklist virtio_net\noptions virtio-net napi_tx=0\n"),
		file("/etc/elsewhere", "options virtio_net x=1\n"),
		file("/etc/modprobe.d/b.conf", "options ../module/virtio_net x=1\noptions .. x\n"),
	})
	warning := func(path, module string) instance.Problem {
		return instance.Problem{Origin: "user-data", Part: "p", Line: 4, Warning: true,
			Message: "file " + path + ": the initrd has loaded " + module + " already, without these options"}
	}
	want := []instance.Problem{warning("/etc/modprobe.d/a.conf", "virtio_net")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
