//go:build boot

package boottest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"boothook/cmd/boothook/vm"
	"boothook/initramfs/report"
	"boothook/netboot/simulate"
)

// TestBuildFetchesBeforeTheDisk: the root device is plugged in only when the
// user-data have been fetched. They are applied to it nevertheless, as soon as
// the kernel announces it.
func TestBuildFetchesBeforeTheDisk(t *testing.T) {
	k := findKernel(t, "bookworm")
	initrd, disk := k.build(t), lightDisk(t)
	ctx, cut := context.WithTimeout(t.Context(), bootTimeout)
	defer cut()

	const instance = "i-0123456789abcdef0"
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	fetched := make(chan struct{})
	var once sync.Once
	service := simulate.Server{
		Handler: simulate.EC2{Machine: simulate.Machine{InstanceID: instance, UserData: []byte("#cloud-config\nhostname: late-disk\n")}},
		Log: func(e simulate.Entry) {
			if strings.HasSuffix(e.Path, "/user-data") {
				once.Do(func() { close(fetched) })
			}
		},
	}
	var done sync.WaitGroup
	done.Go(func() {
		if err := service.Serve(ctx, listener); err != nil {
			t.Errorf("service: %v", err)
		}
	})
	defer func() { cut(); done.Wait() }()

	vmlinuz, monitor := filepath.Join(k.dir, "vmlinuz"), filepath.Join(t.TempDir(), "m")
	args := []string{"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-M", "q35", "-m", "512", "-serial", "stdio",
		"-monitor", "unix:" + monitor + ",server=on,wait=off", "-smbios", "type=0,vendor=Amazon EC2",
		"-smbios", "type=1,manufacturer=Amazon EC2,uuid=ec2e1916-9099-7caf-fd21-012345abcdef,serial=ec2e1916-9099-7caf-fd21-012345abcdef",
		// One program for each connection: this end alone has the service's address.
		"-netdev", fmt.Sprintf("user,id=net,net=169.254.0.0/16,dhcpstart=169.254.10.15,guestfwd=tcp:169.254.169.254:80-cmd:busybox nc 127.0.0.1 %d",
			listener.Addr().(*net.TCPAddr).Port),
		"-device", "virtio-net-pci,netdev=net,romfile=", "-device", "pcie-root-port,id=rp1,chassis=1",
		"-drive", "file=" + disk + ",format=raw,if=none,id=disk,snapshot=on", "-kernel", vmlinuz, "-initrd", initrd,
		"-append", "console=ttyS0 panic=-1 mitigations=off root=LABEL=light rootwait"}
	if accel(t, vmlinuz) == vm.KVM {
		args = append(args, "-accel", "kvm", "-cpu", "host")
	} else {
		args = append(args, "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "Nehalem,+rdrand")
	}
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", args...)
	t.Logf("to reproduce: %q", cmd.Args)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	check(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-fetched:
		time.Sleep(2 * time.Second) // nothing waits for this long by itself
		conn, err := net.Dial("unix", monitor)
		check(t, err)
		defer conn.Close()
		_, err = conn.Write([]byte("device_add virtio-blk-pci,drive=disk,bus=rp1\n"))
		check(t, err)
		err = <-ended
		check(t, err)
	case err := <-ended:
		t.Fatalf("ended before the user-data were fetched: %v\n%s", err, lastOf(out.String(), 6000))
	}
	console := strings.ReplaceAll(out.String(), "\r", "")
	wantLines(t, console, "/dev/vda on / type ext4 (ro,")
	r := lightReport(t, console)
	if r.Result != report.Applied || r.InstanceID != instance || r.Hostname != "late-disk" {
		t.Errorf("%s, %s, %s: %v", r.Result, r.InstanceID, r.Hostname, r.Problems)
	}
	at := map[string]float64{}
	for _, m := range r.Timeline {
		at[m.Stage] = m.Seconds
	}
	t.Logf("timeline %v", r.Timeline)
	if at["user-data decoded"] == 0 || at["user-data decoded"] >= at["root is mounted"] {
		t.Errorf("the fetch ended at %.1f s, the root was there at %.1f s", at["user-data decoded"], at["root is mounted"])
	}
}
