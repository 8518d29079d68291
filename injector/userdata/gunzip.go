package userdata

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

// errTrailing says that complete gzip data is followed by something else.
var errTrailing = errors.New("gunzip: what follows the compressed data is left out")

func isGzip(data []byte) bool { return bytes.HasPrefix(data, []byte("\x1f\x8b")) }

// Plain is a document that may be gzipped, without that, within the limits.
func Plain(doc []byte, limits Limits) ([]byte, error) {
	if !isGzip(doc) {
		return doc, nil
	}
	return gunzip(doc, limits)
}

// gunzip gives what all members of data hold together. Zeros after them are
// padding. With errTrailing the members before the garbage are whole and
// are given; with any other error nothing is.
func gunzip(data []byte, limits Limits) ([]byte, error) {
	in := bytes.NewReader(data)
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("gunzip: %w", err)
	}
	most := max(limits.GzipFloor, len(data)*limits.GzipRatio)
	most = min(most, limits.Total)
	var out bytes.Buffer
	for {
		z.Multistream(false)
		if _, err := io.Copy(&out, io.LimitReader(z, int64(most-out.Len())+1)); err != nil {
			return nil, fmt.Errorf("gunzip: %w", err)
		}
		if out.Len() > most {
			return nil, fmt.Errorf("%w: gunzip: %d bytes expand to more than %d", ErrLimit, len(data), most)
		}
		rest := bytes.TrimLeft(data[len(data)-in.Len():], "\x00")
		if len(rest) == 0 {
			return out.Bytes(), nil
		}
		in = bytes.NewReader(rest)
		if z.Reset(in) != nil {
			return out.Bytes(), errTrailing
		}
	}
}
