package cloudconfig

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"boothook/injector/plan"
	"boothook/injector/userdata"
)

func TestSwap(t *testing.T) {
	const mb, gb = 1 << 20, 1 << 30
	for _, test := range []struct {
		config  string
		memory  int64
		size    int64 // 0: none
		problem string
	}{
		{"{size: 512M}", 0, 512 * mb, ""},
		{"{size: 1.5G, maxsize: 1G}", 0, gb, ""},
		{"{size: 4194305}", 0, 4 * mb, ""},
		{"{size: 2gb, filename: /var/swap}", 0, 2 * gb, ""},
		{"{size: auto}", gb / 2, gb, ""},
		{"{size: auto}", 3 * gb, 3 * gb, ""},
		{"{size: auto, maxsize: 2G}", 64 * gb, 2 * gb, ""},
		{"{size: auto}", 512 * gb, 32 * gb, ""},
		{"{size: auto}", 0, 0, "is not known here"},
		{"{filename: /swap}", 0, 0, ""},
		{"{size: 0}", 0, 0, ""},
		{"{size: many}", 0, 0, `"many" is no size`},
		{"{size: -5}", 0, 0, `"-5" is no size`},
		{"{size: 1e300}", 0, 0, "is no size"},
		{"{size: NaN}", 0, 0, "is no size"},
		{"{size: 1G, maxsize: x}", 0, 0, "maxsize"},
		{"{size: 4096}", 0, 0, "from 40960"},
		{"{size: 1G, filename: swap}", 0, 0, "absolute name"},
		{`{size: 1G, filename: "/a b"}`, 0, 0, "without blanks"},
	} {
		cfg, problems := Merge([]userdata.Part{{Name: "p", Type: userdata.TypeCloudConfig, Origin: "user-data", Body: []byte("#cloud-config\nswap: " + test.config + "\n")}}, nil, nil, nil)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		got := Plan(Context{InstanceDir: "/i", Memory: test.memory, Rand: bytes.NewReader(bytes.Repeat([]byte{7}, 16))}, cfg)
		var size int64
		fstab := ""
		for _, s := range got.Steps {
			switch {
			case s.Size > 0:
				size = s.Size
				if err := s.Validate(); err != nil || s.Mode != 0o600 {
					t.Errorf("%s: %v %o", test.config, err, s.Mode)
				}
				if len(s.Body) != os.Getpagesize() || !bytes.HasSuffix(s.Body, []byte("SWAPSPACE2")) {
					t.Errorf("%s: header of %d bytes", test.config, len(s.Body))
				}
			case s.Kind == plan.File && s.Path == "/etc/fstab":
				fstab = string(s.Body)
			}
		}
		if size != test.size || strings.Contains(fstab, "\tnone\tswap\tsw,nofail,comment=cloudconfig\t0\t0\n") != (size > 0) {
			t.Errorf("%s: size %d, want %d; fstab %q", test.config, size, test.size, fstab)
		}
		said := ""
		for _, p := range got.Problems {
			said += p.String()
		}
		if !strings.Contains(said, test.problem) || (said == "") != (test.problem == "") {
			t.Errorf("%s: problems %q, want %q", test.config, said, test.problem)
		}
	}
}
