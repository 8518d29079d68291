// Package extra makes boothook-extra, the second program, ready where the
// initrd has it: it speaks TLS for the agent, which has no TLS of its own.
package extra

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"boothook/netboot/fetch"
)

// In the initrd the program is either there, or packed as bake leaves it: most
// boots meet no https address, and the kernel then need not unpack a program
// as large as the agent.
const (
	path   = "/usr/lib/boothook/boothook-extra"
	packed = ".gz"
	// maxProgram bounds it unpacked, in bytes.
	maxProgram = 64 << 20
)

// What bake puts into the initrd beside it.
const (
	bakedMark = "/usr/lib/boothook/baked.json"
	bakedCAs  = "/etc/boothook/ca.pem"
	ownCAs    = "/etc/ssl/certs" // of an initrd that has some
	// maxMark bounds what is read of bakedMark.
	maxMark = 64 << 10
)

// A TLS speaks TLS by means of the program.
type TLS struct {
	// Warn is told why the program cannot be unpacked.
	Warn func(error)

	once sync.Once
	pipe fetch.TLSPipe
}

// There says that the initrd has the program.
func There() bool { return exists(path) || exists(path+packed) }

// Wrap is a fetch.Config's TLS. The program is unpacked when it is first
// needed.
func (t *TLS) Wrap(ctx context.Context, conn net.Conn, host string) (net.Conn, error) {
	t.once.Do(func() {
		if err := unpack(path); err != nil {
			t.Warn(err)
		}
		t.pipe = fetch.TLSPipe{Path: path, CA: bakedCAs, NotBefore: notBefore(bakedMark)}
		if !exists(bakedCAs) {
			t.pipe.CA = ownCAs
		}
	})
	return t.pipe.Wrap(ctx, conn, host)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// unpack makes the program at path of the packed one beside it, unless it is
// there.
func unpack(path string) error {
	if exists(path) {
		return nil
	}
	in, err := os.Open(path + packed)
	if err != nil {
		return err
	}
	defer in.Close()
	z, err := gzip.NewReader(in)
	if err != nil {
		return fmt.Errorf("unpack %s: %w", in.Name(), err)
	}
	out, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, io.LimitReader(z, maxProgram))
	if err = errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("unpack %s: %w", in.Name(), err)
	}
	return os.Rename(path+".new", path)
}

// notBefore is the earliest that it can be, for certificates on a machine
// whose clock was never set: when the initrd was baked.
func notBefore(mark string) time.Time {
	var said struct {
		NotBefore int64 `json:"not_before"`
	}
	f, err := os.Open(mark)
	if err != nil {
		return time.Time{}
	}
	defer f.Close()
	if json.NewDecoder(io.LimitReader(f, maxMark)).Decode(&said) != nil {
		return time.Time{}
	}
	return time.Unix(said.NotBefore, 0)
}
