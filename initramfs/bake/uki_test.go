package bake

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boothook/initramfs/archive"
)

// A peSection is a section of a test image.
type peSection struct {
	name string
	data []byte
}

const testAlign, testFileAlign = 4096, 512

// peImage lays out a PE32+ image of these sections.
func peImage(signed bool, sections ...peSection) []byte {
	var headers, bodies bytes.Buffer
	dos := make([]byte, 64)
	copy(dos, "MZ")
	binary.LittleEndian.PutUint32(dos[peOffsetAt:], 64)
	headers.Write(dos)
	headers.WriteString("PE\x00\x00")
	opt := pe.OptionalHeader64{Magic: 0x20b, SectionAlignment: testAlign, FileAlignment: testFileAlign, SizeOfHeaders: 1024, CheckSum: 7, NumberOfRvaAndSizes: 16}
	binary.Write(&headers, binary.LittleEndian, pe.FileHeader{Machine: pe.IMAGE_FILE_MACHINE_AMD64, NumberOfSections: uint16(len(sections)), SizeOfOptionalHeader: uint16(binary.Size(opt))})
	va := uint32(testAlign)
	var table bytes.Buffer
	for _, s := range sections {
		h := pe.SectionHeader32{VirtualSize: uint32(len(s.data)), VirtualAddress: va, SizeOfRawData: roundUp(uint32(len(s.data)), testFileAlign), PointerToRawData: 1024 + uint32(bodies.Len())}
		copy(h.Name[:], s.name)
		binary.Write(&table, binary.LittleEndian, h)
		bodies.Write(s.data)
		bodies.Write(make([]byte, h.SizeOfRawData-h.VirtualSize))
		va += roundUp(uint32(len(s.data)), testAlign)
		opt.SizeOfInitializedData += h.SizeOfRawData
	}
	opt.SizeOfImage = va
	if signed {
		opt.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_SECURITY] = pe.DataDirectory{VirtualAddress: 1024 + uint32(bodies.Len()), Size: 8}
		bodies.WriteString("SIGNATUR")
	}
	binary.Write(&headers, binary.LittleEndian, opt)
	headers.Write(table.Bytes())
	headers.Write(make([]byte, 1024-headers.Len()))
	return append(headers.Bytes(), bodies.Bytes()...)
}

// The sections of a baked UKI are what they were, but for the initrd, and lie
// in order without overlap.
func TestUKI(t *testing.T) {
	linux := bytes.Repeat([]byte("kernel"), 3000)
	for _, signed := range []bool{false, true} {
		inner := initrd(t, archive.Zstd)
		dir := t.TempDir()
		in, out := filepath.Join(dir, "in.efi"), filepath.Join(dir, "out.efi")
		image := peImage(signed, peSection{".text", []byte("stub")}, peSection{".initrd", inner}, peSection{".cmdline", []byte("root=/dev/vda")}, peSection{".linux", linux})
		if err := os.WriteFile(in, image, 0o644); err != nil {
			t.Fatal(err)
		}
		rep, err := File(in, out, Options{Agent: bytes.Join([][]byte{agent, incompressible(20000)}, nil)})
		if err != nil {
			t.Fatal(err)
		}
		if !rep.UKI || rep.Signed != signed {
			t.Errorf("%+v", rep)
		}
		if st, err := Check(out); err != nil || st.Baked == nil || st.Baked.InitrdSize != int64(len(inner)) {
			t.Errorf("%+v, %v", st, err)
		}
		checkImage(t, contents(t, out), map[string]string{".text": "stub", ".cmdline": "root=/dev/vda", ".linux": string(linux)})
		if err := Undo(out, filepath.Join(dir, "undone")); err == nil || !strings.Contains(err.Error(), "UKI") {
			t.Errorf("undo: %v", err)
		}
	}
}

func checkImage(t *testing.T, image []byte, want map[string]string) {
	t.Helper()
	f, err := pe.NewFile(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	opt := f.OptionalHeader.(*pe.OptionalHeader64)
	if d := opt.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_SECURITY]; d.Size != 0 || bytes.Contains(image, []byte("SIGNATUR")) || opt.CheckSum != 0 {
		t.Errorf("a signature or a checksum is left: %+v", d)
	}
	var va, raw, data uint32 = testAlign, 1024, 0
	for _, s := range f.Sections {
		if s.VirtualAddress < va || s.VirtualAddress > va+testAlign || s.VirtualAddress%testAlign != 0 || s.Offset != raw {
			t.Errorf("%s at %#x, %#x in the file; want %#x and %#x", s.Name, s.VirtualAddress, s.Offset, va, raw)
		}
		body, err := s.Data()
		if err != nil {
			t.Fatal(err)
		}
		if text, ok := want[s.Name]; ok && string(body[:s.VirtualSize]) != text {
			t.Errorf("%s changed", s.Name)
		}
		va, raw, data = s.VirtualAddress+roundUp(s.VirtualSize, testAlign), raw+s.Size, data+s.Size
	}
	if opt.SizeOfImage != va || opt.SizeOfInitializedData != data || len(image) != int(raw) {
		t.Errorf("image %#x, data %#x, file %d; want %#x, %#x, %d", opt.SizeOfImage, opt.SizeOfInitializedData, len(image), va, data, raw)
	}
}

// incompressible is bytes that look random and are always the same.
func incompressible(n int) []byte {
	out, x := make([]byte, n), uint32(1)
	for i := range out {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		out[i] = byte(x)
	}
	return out
}

func TestNotAUKI(t *testing.T) {
	for name, data := range map[string][]byte{
		"no initrd":    peImage(false, peSection{".text", []byte("x")}),
		"cut off":      peImage(false, peSection{".initrd", initrd(t, archive.Zstd)})[:1500],
		"and more":     append(peImage(false, peSection{".initrd", initrd(t, archive.Zstd)}), "more"...),
		"only letters": append([]byte("MZ"), make([]byte, 100)...),
	} {
		in := filepath.Join(t.TempDir(), "in")
		if err := os.WriteFile(in, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := File(in, in+".out", Options{Agent: agent}); err == nil {
			t.Errorf("%s: baked", name)
		}
	}
}

func FuzzUKI(f *testing.F) {
	f.Add(peImage(true, peSection{".text", []byte("x")}, peSection{".initrd", []byte("0707")}, peSection{".linux", []byte("y")}))
	f.Fuzz(func(t *testing.T, data []byte) {
		u, err := openUKI(bytes.NewReader(data), int64(len(data)))
		if u == nil || err != nil {
			return
		}
		_, size := u.section()
		var out bytes.Buffer
		if err := u.write(&out, size, []byte("tail")); err != nil {
			return
		}
		if out.Len() > len(data)+1<<20 {
			t.Fatalf("%d bytes became %d", len(data), out.Len())
		}
	})
}
