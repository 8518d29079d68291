package userdata

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
)

var (
	errBase64     = errors.New("base64: damaged; what could be decoded is used")
	errBase64Lost = errors.New("base64: damaged beyond decoding")
	errUuencode   = errors.New("uuencode: damaged beyond decoding")
	errEncoding   = errors.New("unknown Content-Transfer-Encoding")
)

// decodeTransfer undoes a Content-Transfer-Encoding as far as it can. An
// error says what is doubtful; errors.Is tells a lost body (errBase64Lost,
// errUuencode), which is then given as it stands, from a best effort.
func decodeTransfer(encoding string, body []byte) ([]byte, error) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "base64":
		return decodeBase64(body)
	case "quoted-printable":
		return decodeQuotedPrintable(body), nil
	case "x-uuencode", "uuencode", "uue", "x-uue":
		out, ok := decodeUU(body)
		if !ok {
			return body, errUuencode
		}
		return out, nil
	case "", "7bit", "8bit", "binary":
		return body, nil
	}
	return body, errEncoding
}

// decodeBase64 passes over what is not of the alphabet and stops at the
// padding.
func decodeBase64(body []byte) ([]byte, error) {
	symbols := make([]byte, 0, len(body))
	damaged := false
	pads := 0
	for i, c := range body {
		switch {
		case c == '=':
			pads++
		case c == '\r' || c == '\n':
		case isBase64(c):
			if pads > 0 {
				damaged = true
			}
			symbols = append(symbols, c)
			pads = 0
		default:
			damaged = true
		}
		if pads > 0 && len(symbols)%4 >= 2 && len(symbols)%4+pads >= 4 {
			damaged = damaged || len(bytes.Trim(body[i+1:], "=\r\n")) > 0
			break
		}
	}
	switch len(symbols) % 4 {
	case 1:
		return body, errBase64Lost
	case 2, 3:
		damaged = damaged || (len(symbols)+pads)%4 != 0
	}
	out := make([]byte, base64.RawStdEncoding.DecodedLen(len(symbols)))
	n, err := base64.RawStdEncoding.Decode(out, symbols)
	if err != nil {
		return body, errBase64Lost
	}
	if damaged {
		return out[:n], errBase64
	}
	return out[:n], nil
}

func isBase64(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '+' || c == '/'
}

// decodeQuotedPrintable leaves every "=" that encodes nothing as it is.
func decodeQuotedPrintable(body []byte) []byte {
	out := make([]byte, 0, len(body))
	for i := 0; i < len(body); i++ {
		if body[i] != '=' {
			out = append(out, body[i])
			continue
		}
		rest := body[i+1:]
		switch {
		case len(rest) == 0:
		case rest[0] == '\n':
			i++
		case rest[0] == '\r': // a soft line break ends with its LF
			if n := bytes.IndexByte(rest, '\n'); n >= 0 {
				i += n + 1
			} else {
				i = len(body)
			}
		case rest[0] == '=': // an escaped "=" of broken encoders
			out = append(out, '=')
			i++
		default:
			if len(rest) >= 2 {
				if n, err := strconv.ParseUint(string(rest[:2]), 16, 8); err == nil {
					out = append(out, byte(n))
					i += 2
					continue
				}
			}
			out = append(out, '=')
		}
	}
	return out
}

// decodeUU decodes what stands between the "begin" and "end" lines.
func decodeUU(body []byte) ([]byte, bool) {
	var out []byte
	begun := false
	for line := range bytes.Lines(body) {
		line = bytes.TrimRight(line, "\r\n")
		if !begun {
			begun = isUUBegin(line)
			continue
		}
		if string(bytes.TrimSpace(line)) == "end" {
			return out, true
		}
		if len(line) == 0 {
			return nil, false
		}
		decoded, ok := decodeUULine(line)
		if !ok {
			return nil, false
		}
		out = append(out, decoded...)
	}
	return out, begun
}

// isUUBegin recognises "begin MODE NAME".
func isUUBegin(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte("begin "))
	mode, _, _ := bytes.Cut(rest, []byte(" "))
	_, err := strconv.ParseUint(string(mode), 8, 16)
	return ok && err == nil
}

// decodeUULine decodes one line: its length, then four symbols for every
// three bytes. Trailing blanks that a mailer took away count as zeros.
func decodeUULine(line []byte) ([]byte, bool) {
	n := int(line[0]-' ') & 63
	symbols := line[1:]
	out := make([]byte, 0, n+3)
	for i := 0; len(out) < n; i += 4 {
		var word uint32
		for j := i; j < i+4; j++ {
			c := byte(' ')
			if j < len(symbols) {
				c = symbols[j]
			}
			if c < ' ' || c > ' '+64 {
				return nil, false
			}
			word = word<<6 | uint32(c-' ')&63
		}
		out = append(out, byte(word>>16), byte(word>>8), byte(word))
	}
	return out[:n], true
}
