package volume

import (
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"unicode/utf16"
)

// The numbers of ECMA-119 (iso9660), of Joliet, and of SUSP and RRIP (Rock
// Ridge).
const (
	isoSector      = 2048
	isoFirst       = 16 // the first volume descriptor
	maxDescriptors = 32
	maxContinued   = 8 // continuation areas of one entry
	isoPrimary     = 1
	isoSecondary   = 2
	isoEnd         = 255
)

// Where a directory record keeps what.
const (
	recExtent  = 2 // little-endian, as all numbers here
	recSize    = 10
	recFlags   = 25
	recNameLen = 32
	recName    = 33
	flagDir    = 2
)

// How an image's names are to be read.
type isoNames int

const (
	plainNames isoNames = iota
	jolietNames
	rockRidgeNames
)

// An iso is an iso9660 image.
type iso struct {
	r     io.ReaderAt
	top   entry
	names isoNames
	skip  int // bytes before SUSP's in each record
}

// openISO reads the volume descriptors. Rock Ridge's names are preferred to
// Joliet's, and those to plain ones.
func openISO(r io.ReaderAt) (*Volume, error) {
	var primary, joliet []byte
	for i := range maxDescriptors {
		b := make([]byte, isoSector)
		if n, err := r.ReadAt(b, int64(isoFirst+i)*isoSector); n < isoSector {
			if primary == nil && (err == nil || errors.Is(err, io.EOF)) {
				return nil, ErrUnknown
			}
			break
		}
		if string(b[1:6]) != "CD001" {
			break
		}
		switch {
		case b[0] == isoPrimary && primary == nil:
			primary = b
		case b[0] == isoSecondary && isJoliet(b) && joliet == nil:
			joliet = b
		}
		if b[0] == isoEnd {
			break
		}
	}
	if primary == nil {
		return nil, ErrUnknown
	}
	image := &iso{r: r, top: rootOf(primary)}
	if skip, ok := image.rockRidge(); ok {
		image.names, image.skip = rockRidgeNames, skip
	} else if joliet != nil {
		image.names, image.top = jolietNames, rootOf(joliet)
	}
	return &Volume{Type: "iso9660", Label: strings.TrimRight(string(primary[40:72]), " \x00"), FS: tree{image}}, nil
}

// isJoliet looks for one of the three escape sequences for UCS-2.
func isJoliet(b []byte) bool {
	s := string(b[88:91])
	return s == "%/@" || s == "%/C" || s == "%/E"
}

func rootOf(descriptor []byte) entry {
	record := descriptor[156:190]
	return entry{dir: true, at: binary.LittleEndian.Uint32(record[recExtent:]), size: int64(binary.LittleEndian.Uint32(record[recSize:]))}
}

func (i *iso) root() entry { return i.top }

func (i *iso) same(a, b string) bool {
	if i.names == plainNames {
		return strings.EqualFold(a, b)
	}
	return a == b
}

func (i *iso) read(file entry) (io.Reader, error) {
	return io.NewSectionReader(i.r, int64(file.at)*isoSector, file.size), nil
}

// rockRidge looks in the root's own record for SUSP's SP entry.
func (i *iso) rockRidge() (skip int, ok bool) {
	b, err := readAt(i.r, int64(i.top.at)*isoSector, isoSector)
	if err != nil {
		return 0, false
	}
	record, err := recordAt(b)
	if err != nil || len(record) == 0 {
		return 0, false
	}
	area := systemUse(record)
	if len(area) >= 7 && string(area[:2]) == "SP" && area[4] == 0xBE && area[5] == 0xEF {
		return int(area[6]), true
	}
	return 0, false
}

// list reads a directory. Records do not cross sectors: a zero length means
// that the next is in the next sector.
func (i *iso) list(dir entry) ([]entry, error) {
	if dir.size > maxDirectory {
		return nil, corrupt("a directory of %d bytes", dir.size)
	}
	b, err := readAt(i.r, int64(dir.at)*isoSector, int(dir.size))
	if err != nil {
		return nil, err
	}
	var entries []entry
	for at := 0; at < len(b); {
		record, err := recordAt(b[at:])
		if err != nil {
			return nil, err
		}
		if len(record) == 0 {
			at = (at/isoSector + 1) * isoSector
			continue
		}
		at += len(record)
		e, err := i.entry(record)
		if err != nil {
			return nil, err
		}
		if !usable(e.name) {
			continue
		}
		if entries = append(entries, e); len(entries) > maxEntries {
			return nil, corrupt("a directory of more than %d entries", maxEntries)
		}
	}
	return entries, nil
}

// recordAt gives the directory record at the beginning of b, empty for none.
func recordAt(b []byte) ([]byte, error) {
	n := int(b[0])
	if n == 0 {
		return nil, nil
	}
	if n <= recName || n > len(b) || recName+int(b[recNameLen]) > n {
		return nil, corrupt("a directory record of %d bytes", n)
	}
	return b[:n], nil
}

// systemUse gives what follows the name, and the byte that makes it even.
func systemUse(record []byte) []byte {
	at := recName + int(record[recNameLen])
	at += at & 1
	return record[min(at, len(record)):]
}

// entry understands a record.
func (i *iso) entry(record []byte) (entry, error) {
	e := entry{
		at:   binary.LittleEndian.Uint32(record[recExtent:]),
		size: int64(binary.LittleEndian.Uint32(record[recSize:])),
		dir:  record[recFlags]&flagDir != 0,
	}
	raw := record[recName : recName+int(record[recNameLen])]
	if len(raw) == 1 && raw[0] <= 1 { // the directory itself and its parent
		return e, nil
	}
	switch i.names {
	case jolietNames:
		e.name = utf16String(raw, binary.BigEndian)
	case rockRidgeNames:
		name, err := i.longName(record)
		if err != nil {
			return entry{}, err
		}
		if e.name = name; name != "" {
			return e, nil
		}
		fallthrough
	default:
		e.name = string(raw)
	}
	// A version follows, and a dot stands there even without an extension.
	name, _, versioned := strings.Cut(e.name, ";")
	if versioned && i.names != jolietNames {
		name = strings.TrimSuffix(name, ".")
	}
	e.name = name
	return e, nil
}

// longName puts Rock Ridge's NM entries together.
func (i *iso) longName(record []byte) (string, error) {
	area := systemUse(record)
	area = area[min(i.skip, len(area)):]
	var name strings.Builder
	for range maxContinued + 1 {
		var next []byte
		for len(area) >= 4 && int(area[2]) >= 4 && int(area[2]) <= len(area) {
			body := area[4:area[2]]
			switch string(area[:2]) {
			case "NM":
				if len(body) > 0 && body[0]&^1 == 0 { // neither "." nor ".."
					name.Write(body[1:])
				}
			case "CE":
				if len(body) >= 24 {
					var err error
					if next, err = i.continued(body); err != nil {
						return "", err
					}
				}
			}
			area = area[area[2]:]
		}
		if next == nil {
			return name.String(), nil
		}
		area = next
	}
	return "", corrupt("an entry continued more than %d times", maxContinued)
}

// continued reads a continuation area: block, offset and length, each in both
// byte orders.
func (i *iso) continued(body []byte) ([]byte, error) {
	n := binary.LittleEndian.Uint32(body[16:])
	if n > isoSector {
		return nil, corrupt("a continuation area of %d bytes", n)
	}
	at := int64(binary.LittleEndian.Uint32(body))*isoSector + int64(binary.LittleEndian.Uint32(body[8:]))
	return readAt(i.r, at, int(n))
}

// utf16String decodes pairs of bytes; an odd last byte is dropped.
func utf16String(b []byte, order binary.ByteOrder) string {
	units := make([]uint16, 0, len(b)/2)
	for ; len(b) >= 2; b = b[2:] {
		units = append(units, order.Uint16(b))
	}
	return string(utf16.Decode(units))
}
