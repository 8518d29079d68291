package agent

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"boothook/netboot/fetch"
)

// boothook-extra in the initrd is either there, or packed as bake leaves it:
// most boots meet no https address, and the kernel then need not unpack a
// program as large as the agent.
const (
	extraPath   = "/usr/lib/boothook/boothook-extra"
	extraPacked = ".gz"
	// maxExtra bounds it unpacked, in bytes.
	maxExtra = 64 << 20
)

// secure speaks TLS over a connection; it is a fetch.Config's TLS.
func (b *boot) secure(ctx context.Context, conn net.Conn, host string) (net.Conn, error) {
	b.securing.Do(func() {
		b.pipe = fetch.TLSPipe{Path: extraPath, CA: bakedCAs, NotBefore: notBefore()}
		if !anyExists(bakedCAs) {
			b.pipe.CA = ownCAs
		}
		if err := unpackExtra(extraPath); err != nil {
			b.log.Warnf("%v", err)
		}
	})
	return b.pipe.Wrap(ctx, conn, host)
}

// unpackExtra makes the program at path of the packed one beside it, unless it is
// there.
func unpackExtra(path string) error {
	if anyExists(path) {
		return nil
	}
	in, err := os.Open(path + extraPacked)
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
	_, err = io.Copy(out, io.LimitReader(z, maxExtra))
	if err = errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("unpack %s: %w", in.Name(), err)
	}
	return os.Rename(path+".new", path)
}

// notBefore is the earliest that it can be, for certificates on a machine
// whose clock was never set: when the initrd was baked.
func notBefore() time.Time {
	var mark struct {
		NotBefore int64 `json:"not_before"`
	}
	text, err := readSome(bakedMark, maxMark)
	if err != nil || json.Unmarshal(text, &mark) != nil {
		return time.Time{}
	}
	return time.Unix(mark.NotBefore, 0)
}
