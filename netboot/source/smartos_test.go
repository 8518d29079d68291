package source

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// answerJMC answers on the other end of a serial port, as the host does:
// what it does not understand is "invalid command".
func answerJMC(t *testing.T, values map[string]string, spoil func(frame string) string) (dev string) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	host := os.NewFile(uintptr(fd), "ptmx")
	t.Cleanup(func() { host.Close() })
	dev = t.TempDir()
	if err := os.Symlink(fmt.Sprintf("/dev/pts/%d", n), filepath.Join(dev, smartosPort)); err != nil {
		t.Fatal(err)
	}
	go func() {
		lines := bufio.NewScanner(host)
		for lines.Scan() {
			f := strings.Fields(lines.Text())
			switch {
			case lines.Text() == "NEGOTIATE V2":
				fmt.Fprint(host, "V2_OK\n")
			case len(f) == 6 && f[0] == "V2" && f[4] == "GET":
				key, _ := base64.StdEncoding.DecodeString(f[5])
				answer := f[3] + " NOTFOUND"
				if v, ok := values[string(key)]; ok {
					answer = f[3] + " SUCCESS " + base64.StdEncoding.EncodeToString([]byte(v))
				}
				fmt.Fprint(host, spoil(fmt.Sprintf("V2 %d %08x %s\n", len(answer), crc32.ChecksumIEEE([]byte(answer)), answer)))
			default:
				fmt.Fprint(host, "invalid command\n")
			}
		}
	}()
	return dev
}

func TestSmartOS(t *testing.T) {
	long := "#!/bin/sh\n" + strings.Repeat("echo line\n", 20_000)
	dev := answerJMC(t, map[string]string{smartosID: "id-1", smartosUser: long}, func(s string) string {
		return jmcFrame("ffffffff SUCCESS bGF0ZQ==") + s // a late answer to somebody else
	})
	got, err := fetchSmartOS(t.Context(), &Env{Dev: dev})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got.text(smartosID) != "id-1" || string(got[smartosUser]) != long {
		t.Errorf("got %d documents, id %q, %d bytes of user-data", len(got), got.text(smartosID), len(got[smartosUser]))
	}
}

func TestSmartOSSpoiled(t *testing.T) {
	for name, spoil := range map[string]func(string) string{
		"sum":    func(s string) string { return strings.Replace(s, "SUCCESS", "SUCCES5", 1) },
		"length": func(s string) string { return strings.Replace(s, "V2 ", "V2 1", 1) },
		"silent": func(string) string { return "" },
	} {
		t.Run(name, func(t *testing.T) {
			dev := answerJMC(t, map[string]string{smartosID: "id-1"}, spoil)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start := time.Now()
			if got, err := fetchSmartOS(ctx, &Env{Dev: dev}); err == nil {
				t.Errorf("got %v", got)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}
