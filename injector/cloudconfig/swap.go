package cloudconfig

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"

	"boothook/injector/plan"
)

const (
	swapFile = "/swap.img" // cloud-init's default
	// minSwap is the least that mkswap(8) takes, in pages; maxSwap bounds
	// the size in bytes.
	minSwap = 10
	maxSwap = 1 << 42
)

// swap plans a swap file and gives its line of fstab. The file is there, with
// its header, before the real init reads fstab, so nothing is run for it.
func swap(b *builder) string {
	v := b.cfg.Get("swap")
	if v.Missing() || v.Get("size").Missing() || v.Get("size").Scalar() == "0" {
		return ""
	}
	file := v.Get("filename").Scalar()
	if file == "" {
		file = swapFile
	}
	size, err := b.swapSize(v)
	if err != nil {
		b.fail(v, "swap: %v", err)
		return ""
	}
	page := int64(os.Getpagesize())
	size -= size % page
	if size < minSwap*page || size > maxSwap || file[0] != '/' || strings.ContainsAny(file, " \t\n\\") {
		b.fail(v, "swap: the file must have an absolute name without blanks and from %d to %d bytes", minSwap*page, int64(maxSwap))
		return ""
	}
	// union swap_header of the kernel's include/linux/swap.h, version 1.
	header := make([]byte, page)
	binary.NativeEndian.PutUint32(header[1024:], 1)
	binary.NativeEndian.PutUint32(header[1028:], uint32(size/page-1))
	if _, err := b.Rand.Read(header[1036:1052]); err != nil { // its UUID
		b.fail(v, "swap: no UUID: %v", err)
		return ""
	}
	header[1036+6] = header[1036+6]&0x0f | 0x40
	header[1036+8] = header[1036+8]&0x3f | 0x80
	copy(header[page-10:], "SWAPSPACE2")
	b.step(&plan.Step{Kind: plan.File, Path: file, Body: header, Size: size, KeepExisting: true, Mode: 0o600, Secret: true, Why: v.why("swap")})
	return file + "\tnone\tswap\tsw,nofail,comment=cloudconfig\t0\t0"
}

// swapSize reads size and maxsize. "auto" goes by the machine's memory, by
// cloud-init's table.
func (b *builder) swapSize(v *Value) (int64, error) {
	limit := int64(maxSwap)
	if m := v.Get("maxsize"); !m.Missing() {
		var err error
		if limit, err = humanSize(m.Scalar()); err != nil {
			return 0, fmt.Errorf("maxsize: %w", err)
		}
	}
	text := v.Get("size").Scalar()
	if text != "auto" {
		size, err := humanSize(text)
		return min(size, limit), err
	}
	const gb = 1 << 30
	switch m := b.Memory; {
	case m == 0:
		return 0, fmt.Errorf("the size \"auto\" is that of the machine's memory, which is not known here")
	case m <= gb:
		return min(2*m, limit), nil
	case m <= 2*gb:
		return min(2*gb, limit), nil
	case m <= 4*gb:
		return min(m, limit), nil
	case m <= 16*gb:
		return min(4*gb, limit), nil
	default:
		return min(m/2, 32*gb, limit), nil
	}
}

// humanSize reads bytes, with K, M, G or T for powers of 1024 and an optional B.
func humanSize(s string) (int64, error) {
	number := strings.TrimSuffix(strings.ToUpper(strings.TrimSpace(s)), "B")
	unit := int64(1)
	if n := len(number); n > 0 {
		if i := strings.IndexByte("KMGT", number[n-1]); i >= 0 {
			unit, number = 1<<(10*(i+1)), number[:n-1]
		}
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || !(f >= 0 && f*float64(unit) <= maxSwap) {
		return 0, fmt.Errorf("%q is no size; 512M and 2G are", s)
	}
	return int64(f * float64(unit)), nil
}
