package generators

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"boothook/initramfs/archive"

	"github.com/google/go-cmp/cmp"
)

// treeOf makes the tree of one archive with these files; parents are added.
func treeOf(t *testing.T, files ...archive.File) *archive.Tree {
	t.Helper()
	return extended(t, nil, files...)
}

// extended makes the tree of an archive with more files behind it.
func extended(t *testing.T, base []archive.File, more ...archive.File) *archive.Tree {
	t.Helper()
	var b bytes.Buffer
	tree := archive.NewTree()
	for _, files := range [][]archive.File{base, more} {
		placed, err := tree.Overlay(files)
		if err != nil {
			t.Fatal(err)
		}
		if err := archive.Write(&b, placed); err != nil {
			t.Fatal(err)
		}
		if tree, _, err = archive.Read(bytes.NewReader(b.Bytes()), int64(b.Len()), archive.KeepSmall(1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	return tree
}

func linkTo(name, target string) archive.File {
	return archive.File{Name: name, Mode: archive.TypeSymlink | 0o777, Data: []byte(target)}
}

func debian(order map[string]string) []archive.File {
	files := []archive.File{script("/init", "#!/bin/sh\n"), text("/scripts/functions", ""), text("/conf/initramfs.conf", "")}
	for stage, lines := range order {
		files = append(files, text("/scripts/"+stage+"/ORDER", lines))
	}
	return files
}

// order writes the lines of an ORDER file as mkinitramfs does.
func order(stage string, scripts ...string) string {
	var b strings.Builder
	for _, s := range scripts {
		b.WriteString("/scripts/" + stage + "/" + s + " \"$@\"\n" + orderTail)
	}
	return b.String()
}

func TestInitramfsToolsOrder(t *testing.T) {
	tests := []struct {
		name         string
		top, bottom  string // "-" is no such file
		wantT, wantB string
	}{
		{"Debian 12", order("init-top", "all_generic_ide", "blacklist", "udev"), order("init-bottom", "udev"),
			order("init-top", "00-boothook", "all_generic_ide", "blacklist", "udev"), order("init-bottom", "u-boothook", "udev")},
		{"nothing in a stage", order("init-top", "udev"), "-",
			order("init-top", "00-boothook", "udev"), order("init-bottom", "u-boothook")},
		{"overlayroot before udev", "-", order("init-bottom", "overlayroot", "udev"),
			order("init-top", "00-boothook"), order("init-bottom", "overlayroot", "u-boothook", "udev")},
		{"overlayroot after udev", "-", order("init-bottom", "udev", "overlayroot", "last"),
			order("init-top", "00-boothook"), order("init-bottom", "udev", "overlayroot", "u-boothook", "last")},
		{"no udev", "-", order("init-bottom", "plymouth"),
			order("init-top", "00-boothook"), order("init-bottom", "plymouth", "u-boothook")},
		{"lines of others stay, even odd ones", "# a comment\n\n/scripts/init-top/udev   \"$@\"", "-",
			order("init-top", "00-boothook") + "# a comment\n\n/scripts/init-top/udev   \"$@\"\n", order("init-bottom", "u-boothook")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := map[string]string{}
			if tt.top != "-" {
				in["init-top"] = tt.top
			}
			if tt.bottom != "-" {
				in["init-bottom"] = tt.bottom
			}
			base := debian(in)
			g, err := Detect(treeOf(t, base...))
			if err != nil || g.Name() != "initramfs-tools" {
				t.Fatalf("%v, %v", g, err)
			}
			if err := g.Check(treeOf(t, base...)); err == nil {
				t.Error("an unbaked initrd passes the check")
			}
			files, err := g.Calls(treeOf(t, base...))
			if err != nil {
				t.Fatal(err)
			}
			baked := extended(t, base, files...)
			for stage, want := range map[string]string{"init-top": tt.wantT, "init-bottom": tt.wantB} {
				got, err := baked.ReadFile("/scripts/" + stage + "/ORDER")
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, string(got)); diff != "" {
					t.Error(diff)
				}
			}
			if err := g.Check(baked); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestInitramfsToolsCheck(t *testing.T) {
	base := debian(map[string]string{"init-bottom": order("init-bottom", "udev")})
	calls, err := initramfsTools{}.Calls(treeOf(t, base...))
	if err != nil {
		t.Fatal(err)
	}
	base = append(debian(nil), calls...)
	for want, spoil := range map[string]archive.File{
		"is not executable": text("/scripts/init-top/00-boothook", initramfsToolsEarly),
		"does not call":     script("/scripts/init-bottom/u-boothook", "#!/bin/sh\n"),
		"does not list":     text("/scripts/init-top/ORDER", order("init-top", "udev")),
		"after udev":        text("/scripts/init-bottom/ORDER", order("init-bottom", "udev", "u-boothook")),
	} {
		if err := (initramfsTools{}).Check(extended(t, base, spoil)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// An initrd that has some, but not all, of what tells a generator's apart is
// by none that is known, and the error says so and names those that are.
func TestDetectUnknown(t *testing.T) {
	const pivots = "#!/bin/sh\nexec switch_root /root /sbin/init\n"
	for name, files := range map[string][]archive.File{
		"files without an init":                  {text("/etc/passwd", "")},
		"an init that is a program":              {script("/init", "\x7fELF")},
		"a script that does not pivot":           {script("/init", "#!/bin/sh\necho Alpine Init\n")},
		"a text that pivots but is no script":    {script("/init", pivots[2:])},
		"initramfs-tools without its settings":   {script("/init", "\x7fELF"), text("/scripts/functions", "")},
		"initramfs-tools without its functions":  {script("/init", "\x7fELF"), text("/conf/initramfs.conf", "")},
		"initramfs-tools without init":           debian(nil)[1:],
		"dracut's library beside a program":      {script("/init", "\x7fELF"), text(dracutLib, "")},
		"systemd that is no initrd's":            {linkTo("/init", "/usr/lib/systemd/systemd"), script("/usr/lib/systemd/systemd", "\x7fELF")},
		"an initrd's release without systemd":    {script("/init", "\x7fELF"), text("/etc/initrd-release", "")},
		"booster's settings without init":        {text("/etc/booster.init.yaml", "")},
		"the agent's mark of another generator":  {text(MarkAt, `{"generator":"dracut"}`)},
		"an init that leads nowhere":             {linkTo("/init", "/nowhere")},
		"a script that pivots, but in no /init":  {script("/linuxrc", pivots)},
		"u-root's init where it keeps it, alone": {script("/bbin/init", "\x7fELF")},
	} {
		g, err := Detect(treeOf(t, files...))
		if g != nil || !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: taken for %v, %v", name, g, err)
			continue
		}
		for _, known := range All() {
			if !strings.Contains(err.Error(), known.Name()) {
				t.Errorf("%s: %v does not name %s", name, err, known.Name())
			}
		}
	}
}
