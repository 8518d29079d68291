package cloudconfig

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"boothook/injector/plan"
)

const (
	// maxFile bounds one written file after decompression, in bytes.
	maxFile = 64 << 20
	// maxFiles bounds their total.
	maxFiles = 256 << 20
)

// writeFilesEarly plans the entries that can be written before the users
// exist, as cloud-init does; so that, say, /etc/skel is there in time.
func writeFilesEarly(b *builder) { writeFiles(b, false) }

// writeFilesLate plans those with defer, and those that cloud-init would
// fail at or spoil: owned by, or in the home of, a user made in between.
func writeFilesLate(b *builder) { writeFiles(b, true) }

func writeFiles(b *builder, late bool) {
	total := 0
	list := b.cfg.Get("write_files")
	if list.Kind != List && !late {
		b.fail(list, "write_files must be a list, not %v", list.Kind)
	}
	for _, entry := range list.List {
		if entry.Kind != Map {
			if !late {
				b.fail(entry, "an entry of write_files must be a mapping, not %v", entry.Kind)
			}
			continue
		}
		owner, group := ownerOf(entry.Get("owner"))
		target := path.Clean("/" + entry.Get("path").Scalar())
		if late != (entry.Get("defer").Truth(false) || b.people.adds(owner, group, target)) {
			continue
		}
		if entry.Get("path").Scalar() == "" {
			b.fail(entry, "an entry of write_files has no path")
			continue
		}
		body, err := content(entry)
		if total += len(body); err == nil && total > maxFiles {
			err = fmt.Errorf("write_files: more than %d bytes in all", maxFiles)
		}
		if err != nil {
			b.fail(entry, "%s: %v", target, err)
			continue
		}
		mode := permissions(b, entry.Get("permissions"))
		b.step(&plan.Step{
			Kind: plan.File, Path: target, Body: body, Append: entry.Get("append").Truth(false),
			Mode: mode, Owner: owner, Group: group,
			Secret: mode&0o004 == 0, // what others may not read in the root, they may not read in a listing
			Why:    entry.why("write_files"),
		})
	}
}

// ownerOf splits "user:group"; "", "-1" and "none" leave it to root.
func ownerOf(v *Value) (owner, group string) {
	owner, group, _ = strings.Cut(v.Scalar(), ":")
	clean := func(s string) string {
		s = strings.TrimSpace(s)
		if s == "-1" || strings.EqualFold(s, "none") || s == "root" {
			return ""
		}
		return s
	}
	return clean(owner), clean(group)
}

// permissions reads a mode as cloud-init does: a string is octal, with or
// without 0 or 0o; a number is taken as it is, so that YAML's 0644 is right
// and 644 is not.
func permissions(b *builder, v *Value) uint32 {
	const standard = 0o644
	var mode int64
	switch v.Kind {
	case Absent, Null:
		return standard
	case Int, Float:
		mode = v.Int
		if v.Kind == Float {
			mode = int64(v.Float)
		}
		if v.Text != "" && v.Text[0] != '0' {
			b.warn(v, "permissions: %s without quotes is the decimal number, octal %o; write '0%s'", v.Text, mode, v.Text)
		}
	default:
		text := strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(v.Scalar()), "0o"), "0O")
		n, err := strconv.ParseInt(text, 8, 32)
		if err != nil {
			b.warn(v, "permissions are not an octal number; 0644 is used")
			return standard
		}
		mode = n
	}
	if mode < 0 || mode > 0o7777 {
		b.warn(v, "permissions are out of range; 0644 is used")
		return standard
	}
	return uint32(mode)
}

// content decodes an entry's content.
func content(entry *Value) ([]byte, error) {
	v := entry.Get("content")
	if uri := entry.Get("source").Get("uri"); !uri.Missing() {
		if v.Missing() {
			return nil, errors.New("source.uri is not fetched by boothook, and there is no content to use instead")
		}
	}
	if !v.Missing() && !v.IsScalar() {
		return nil, fmt.Errorf("content must be a string, not %v", v.Kind)
	}
	return decode([]byte(v.Scalar()), entry.Get("encoding").Scalar())
}

// decode undoes the encodings that write_files knows. An unknown one counts
// as plain text, as in cloud-init.
func decode(data []byte, encoding string) ([]byte, error) {
	unbase64, unzip := false, false
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "gz", "gzip":
		unzip = true
	case "gz+base64", "gzip+base64", "gz+b64", "gzip+b64":
		unbase64, unzip = true, true
	case "b64", "base64":
		unbase64 = true
	case "", "text/plain":
	default:
		return nil, fmt.Errorf("encoding is not known; there are b64, gz and gz+b64")
	}
	var err error
	if unbase64 {
		if data, err = looseBase64(data); err != nil {
			return nil, err
		}
	}
	if unzip {
		return gunzip(data)
	}
	return data, nil
}

// looseBase64 skips what is not of the alphabet, as Python's b64decode does.
func looseBase64(data []byte) ([]byte, error) {
	kept := bytes.Map(func(c rune) rune {
		if c == '+' || c == '/' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' {
			return c
		}
		return -1
	}, data)
	out, err := base64.RawStdEncoding.DecodeString(string(kept))
	if err != nil {
		return nil, errors.New("content is not base64")
	}
	return out, nil
}

func gunzip(data []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, errors.New("content is not gzip")
	}
	out, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("content is broken gzip: %w", err)
	}
	if len(out) > maxFile {
		return nil, fmt.Errorf("content is larger than %d bytes", maxFile)
	}
	return out, nil
}
