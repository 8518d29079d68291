package platform

import (
	"bytes"
	"io"
	"os"
)

const (
	// maxTable bounds the SMBIOS table, in bytes; large servers have some
	// ten thousand.
	maxTable = 256 << 10
	// maxOEM bounds the OEM strings, in number.
	maxOEM = 256

	smbiosOEM = 11
	smbiosEnd = 127
)

// oemStrings gives the OEM strings of an SMBIOS table: "anything that the
// maker wants to say" (DMTF DSP0134 §7.12), which with QEMU is whoever starts
// the machine (-smbios type=11,value=…). A table that is not in order gives
// what was read up to there.
func oemStrings(table []byte) []string {
	var found []string
	for len(table) >= 4 {
		kind, length := table[0], int(table[1])
		if length < 4 || length > len(table) {
			break
		}
		// The strings follow the structure, each with a zero at its end, and
		// one more zero after the last; two zeros where there is none.
		rest := table[length:]
		end := bytes.Index(rest, []byte{0, 0})
		if end < 0 {
			break
		}
		if kind == smbiosOEM && end > 0 {
			for s := range bytes.SplitSeq(rest[:end], []byte{0}) {
				if found = append(found, string(s)); len(found) == maxOEM {
					return found
				}
			}
		}
		if kind == smbiosEnd {
			break
		}
		table = rest[end+2:]
	}
	return found
}

// readTable reads the table; nil where there is none to be read.
func readTable(path string) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	table, err := io.ReadAll(io.LimitReader(f, maxTable))
	if err != nil {
		return nil
	}
	return table
}
