package pid1

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boothook/initramfs/klog"
	"boothook/initramfs/words"
	"boothook/injector/blkid"
)

func TestParseRoot(t *testing.T) {
	for _, tt := range []struct {
		root string
		want rootSpec
		err  error
	}{
		{"UUID=abc", rootSpec{"UUID", "abc"}, nil},
		{`LABEL="my root"`, rootSpec{"LABEL", "my root"}, nil},
		{"LABEL=a=b", rootSpec{"LABEL", "a=b"}, nil},
		{"PARTUUID=1234abcd-01", rootSpec{"PARTUUID", "1234abcd-01"}, nil},
		{"PARTLABEL=root", rootSpec{"PARTLABEL", "root"}, nil},
		{"/dev/disk/by-uuid/abc", rootSpec{"UUID", "abc"}, nil},
		{`/dev/disk/by-partlabel/my\x20root\x2f`, rootSpec{"PARTLABEL", "my root/"}, nil},
		{`/dev/disk/by-label/odd\x`, rootSpec{"LABEL", `odd\x`}, nil},
		{"/dev/vda1", rootSpec{"dev", "/dev/vda1"}, nil},
		{"/dev/../etc", rootSpec{"dev", "/etc"}, nil},
		{"/dev/mapper/vg-root", rootSpec{"dev", "/dev/mapper/vg-root"}, nil},
		{"254:1", rootSpec{"number", "254:1"}, nil},
		{"/dev/nfs", rootSpec{"net", "/dev/nfs"}, nil},
		{"192.0.2.1:/export", rootSpec{"net", "192.0.2.1:/export"}, nil},
		{"nfs4:server:/x", rootSpec{"net", "nfs4:server:/x"}, nil},
		{"", rootSpec{}, errNoRoot},
		{"UUID=", rootSpec{}, errForm},
		{"PARTUUID=abc/PARTNROFF=1", rootSpec{}, errForm},
		{"/dev/disk/by-path/x", rootSpec{}, errForm},
		{"vda1", rootSpec{}, errForm},
	} {
		got, err := parseRoot(tt.root)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("parseRoot(%q) = %v, %v; want %v, %v", tt.root, got, err, tt.want, tt.err)
		}
	}
}

func TestMountFlags(t *testing.T) {
	for _, tt := range []struct {
		options   string
		readWrite bool
		want      string
	}{
		{"", false, "1 "},
		{"", true, "0 "},
		{"noatime,subvol=@,compress=zstd", true, "400 subvol=@,compress=zstd"},
		{"rw,defaults,,x", false, "0 x"},
		{"ro,nodev,nosuid", true, "7 "},
	} {
		flags, data := mountFlags(tt.options, tt.readWrite)
		if got := fmt.Sprintf("%x %s", flags, data); got != tt.want {
			t.Errorf("mountFlags(%q, %v) = %s, want %s", tt.options, tt.readWrite, got, tt.want)
		}
	}
}

// newSearch is a search among files that stand for devices: vda is a GPT with
// an ext4 in its first partition and a LUKS container in its second, vdb an
// XFS without a table.
func newSearch(t *testing.T, root string) *search {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, size int, at map[int]string) {
		b := make([]byte, size)
		for i, s := range at {
			copy(b[i:], s)
		}
		name = filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, b, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	table := map[int]string{512: "EFI PART", 512 + 72: "\x02", 512 + 80: "\x02", 512 + 84: "\x80"}
	for i, name := range []string{"the root", "secret"} {
		at := 1024 + 128*i
		table[at] = "\x01"
		table[at+16] = strings.Repeat(string(rune('\x11'+i)), 16)
		var wide []byte
		for _, c := range name {
			wide = binary.LittleEndian.AppendUint16(wide, uint16(c))
		}
		table[at+56] = string(wide)
	}
	write("dev/vda", 8192, table)
	write("dev/vda1", 8192, map[int]string{1024 + 56: "\x53\xef", 1024 + 104: strings.Repeat("\xab", 16), 1024 + 120: "My root"})
	write("dev/vda2", 8192, map[int]string{0: "LUKS\xba\xbe\x00\x02", 168: "11ce"})
	write("dev/cciss/c0d0", 8192, map[int]string{0: "XFSB", 32: strings.Repeat("\xcd", 16), 108: "data"})
	for _, name := range []string{"vda", "vda/vda1", "vda/vda2", "cciss!c0d0", "sr0"} {
		path := "sys/devices/x/block/" + name
		if strings.HasPrefix(name, "vda/") {
			write(path+"/partition", 2, map[int]string{0: name[len(name)-1:] + "\n"})
		} else {
			write(path+"/queue/logical_block_size", 4, map[int]string{0: "512\n"})
		}
		link := filepath.Join(dir, "sys/class/block", filepath.Base(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(link), 0o755), os.Symlink("../../devices/x/block/"+name, link)); err != nil {
			t.Fatal(err)
		}
	}
	number := filepath.Join(dir, "sys/dev/block/254:1")
	if err := errors.Join(os.MkdirAll(filepath.Dir(number), 0o755), os.Symlink("../../devices/x/block/vda/vda1", number)); err != nil {
		t.Fatal(err)
	}
	w, err := parseRoot(root)
	if err != nil {
		t.Fatal(err)
	}
	s := &system{log: klog.New(false, t.Output()), options: words.Parse("", "root="+root)}
	return &search{system: s, spec: w, sys: filepath.Join(dir, "sys"), dev: filepath.Join(dir, "dev"), known: map[string]*blkid.Device{}, handed: map[string]bool{}}
}

func TestLook(t *testing.T) {
	const luks = "which has to be assembled first"
	for _, tt := range []struct{ root, want, err string }{
		{"UUID=ABABABAB-abab-abab-abab-abababababab", "vda1", ""},
		{"LABEL=My root", "vda1", ""},
		{"LABEL=my root", "", ""},
		{"LABEL=data", "cciss/c0d0", ""},
		{"PARTUUID=11111111-1111-1111-1111-111111111111", "vda1", ""},
		{"PARTLABEL=the root", "vda1", ""},
		{"PARTLABEL=secret", "", luks},
		{"UUID=11CE", "", luks},
		{"254:1", "vda1", ""},
		{"254:9", "", ""},
		{"/dev/boothook-test-nowhere", "", ""},
	} {
		s := newSearch(t, tt.root)
		got, err := s.look(t.Context())
		want := tt.want
		if want != "" {
			want = filepath.Join(s.dev, want)
		}
		if got != want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("root=%s: %q, %v; want %q, %q", tt.root, got, err, want, tt.err)
		}
	}
}

// A device that comes later is found by its event.
func TestEventsMakeItLookAgain(t *testing.T) {
	s := newSearch(t, "LABEL=late")
	if got, err := s.look(t.Context()); got != "" || err != nil {
		t.Fatalf("found %q, %v", got, err)
	}
	label := make([]byte, 8192)
	copy(label, "XFSB")
	copy(label[108:], "late")
	if err := os.WriteFile(filepath.Join(s.dev, "cciss/c0d0"), label, 0o644); err != nil {
		t.Fatal(err)
	}
	if s.concerns([]byte("add@/devices/x/net/eth0\x00SUBSYSTEM=net\x00")) {
		t.Error("a network device is a reason to look")
	}
	if got, _ := s.look(t.Context()); got != "" {
		t.Errorf("found %q without an event", got)
	}
	if !s.concerns([]byte("change@/devices/x/block/cciss!c0d0\x00ACTION=change\x00SUBSYSTEM=block\x00")) {
		t.Error("a block device is no reason to look")
	}
	if got, err := s.look(t.Context()); got != filepath.Join(s.dev, "cciss/c0d0") {
		t.Errorf("found %q, %v", got, err)
	}
	if err := s.notFound(); !strings.Contains(err.Error(), "vda2 (crypto_LUKS)") || !strings.Contains(err.Error(), "cciss!c0d0 vda vda1 vda2") {
		t.Errorf("what there was instead: %v", err)
	}
}

// FuzzParseRoot: whatever stands in root=, it is one of the forms or an error.
func FuzzParseRoot(f *testing.F) {
	for _, root := range []string{"UUID=a", `/dev/disk/by-label/a\x20b\x`, "254:1", "nfs:a:b", "PARTUUID=a/PARTNROFF=1", `LABEL="`} {
		f.Add(root)
	}
	f.Fuzz(func(t *testing.T, root string) {
		w, err := parseRoot(root)
		if (err == nil) == (w == rootSpec{}) {
			t.Errorf("%q: %v, %v", root, w, err)
		}
		if w.tag == "dev" && !strings.HasPrefix(w.value, "/") {
			t.Errorf("%q: %v", root, w)
		}
	})
}
