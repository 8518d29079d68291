package fetch

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The bounds of what is read besides bodies.
const (
	maxLine   = 16 << 10 // one line of a header; the size of the read buffer
	maxHeader = 64 << 10 // all lines of a header, and of a trailer
	maxInform = 5        // 1xx answers before the answer
	// maxErrorBody is how much of an error's body is read for the sake of
	// keeping the connection.
	maxErrorBody = 64 << 10
)

// requestHead renders a request up to its body (RFC 9112 §3). A proxy must be
// told the whole address, unless it only carries bytes.
func requestHead(u, proxy *url.URL, req Request, version string) ([]byte, error) {
	var b bytes.Buffer
	host := u.Host
	if i, j := strings.IndexByte(host, '%'), strings.IndexByte(host, ']'); i >= 0 && j > i {
		host = host[:i] + host[j:] // a zone means nothing to the service
	}
	target := u.RequestURI()
	if proxy != nil && u.Scheme == "http" {
		target = "http://" + host + target
	}
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", req.Method, target, host)
	if proxy != nil && u.Scheme == "http" {
		b.WriteString(proxyAuth(proxy))
	}
	fmt.Fprintf(&b, "User-Agent: boothook/%s\r\nAccept-Encoding: identity\r\n", version)
	// This is the default, and written out nevertheless: EC2's service
	// closes the connection after every answer otherwise.
	b.WriteString("Connection: keep-alive\r\n")
	if u.User != nil {
		fmt.Fprintf(&b, "Authorization: %s\r\n", basicAuth(u.User))
	}
	if req.Body != nil || req.Method == "PUT" || req.Method == "POST" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(req.Body))
	}
	if req.Header["Accept"] == "" {
		b.WriteString("Accept: */*\r\n")
	}
	names := make([]string, 0, len(req.Header))
	for name, value := range req.Header {
		if strings.ContainsAny(name+value, "\r\n\x00") {
			return nil, fmt.Errorf("header %q: line break in it", strings.Map(printable, name))
		}
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "%s: %s\r\n", name, req.Header[name])
	}
	b.WriteString("\r\n")
	return b.Bytes(), nil
}

func printable(r rune) rune {
	if r < ' ' {
		return '?'
	}
	return r
}

// readResponse reads one answer (RFC 9112 §4, §6), its content coding undone.
// keep says that the connection can carry another. The body of an answer that
// is no document is read at most for the connection's sake, and dropped.
func readResponse(br *bufio.Reader, method string, maxBody int64) (r *Response, keep bool, err error) {
	var h head
	for range maxInform + 1 {
		if h, err = readHead(br); err != nil {
			return nil, false, unexpected(err)
		}
		if h.status >= 200 {
			break
		}
	}
	if h.status < 200 {
		return nil, false, fmt.Errorf("%w: more than %d informational answers", ErrMalformed, maxInform)
	}
	r = &Response{Status: h.status, Header: h.fields}
	if method == "HEAD" || h.status == 204 || h.status == 304 {
		return r, h.keep, nil
	}
	if h.status > 299 {
		_, framed, err := readBody(br, h, maxErrorBody)
		return r, h.keep && framed && err == nil, nil
	}
	body, framed, err := readBody(br, h, maxBody)
	if err != nil {
		return nil, false, unexpected(err)
	}
	if r.Body, err = decode(body, h.fields["content-encoding"], maxBody); err != nil {
		return nil, false, err
	}
	return r, h.keep && framed, nil
}

// unexpected names an end that came too early as what it is.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// A head is the part of an answer before its body.
type head struct {
	status int
	fields map[string]string
	keep   bool
}

func readHead(br *bufio.Reader) (head, error) {
	budget := maxHeader
	line, err := readLine(br, &budget)
	if err != nil {
		return head{}, err
	}
	version, rest, _ := strings.Cut(line, " ")
	code, _, _ := strings.Cut(rest, " ")
	status, err := strconv.Atoi(code)
	if err != nil || len(code) != 3 || status < 100 || version != "HTTP/1.1" && version != "HTTP/1.0" {
		return head{}, fmt.Errorf("%w: no status line", ErrMalformed)
	}
	h := head{status: status, keep: version == "HTTP/1.1"}
	if h.fields, err = readFields(br, &budget); err != nil {
		return head{}, err
	}
	for option := range strings.SplitSeq(strings.ToLower(h.fields["connection"]), ",") {
		switch strings.TrimSpace(option) {
		case "close":
			h.keep = false
		case "keep-alive":
			h.keep = true
		}
	}
	return h, nil
}

// readFields reads header or trailer lines up to the empty one.
func readFields(br *bufio.Reader, budget *int) (map[string]string, error) {
	fields := map[string]string{}
	for {
		line, err := readLine(br, budget)
		if err != nil {
			return nil, unexpected(err)
		}
		if line == "" {
			return fields, nil
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" || strings.ContainsAny(name, " \t") {
			return nil, fmt.Errorf("%w: a header line without a name", ErrMalformed)
		}
		name, value = strings.ToLower(name), strings.TrimSpace(value)
		old, seen := fields[name]
		if seen && old != value && (name == "content-length" || name == "transfer-encoding") {
			return nil, fmt.Errorf("%w: two different %s", ErrMalformed, name)
		}
		if !seen {
			fields[name] = value
		}
	}
}

// readLine reads a line without its end, and counts it against the budget.
func readLine(br *bufio.Reader, budget *int) (string, error) {
	line, err := br.ReadSlice('\n')
	*budget -= len(line)
	if errors.Is(err, bufio.ErrBufferFull) || *budget < 0 {
		return "", fmt.Errorf("%w: header", ErrTooLarge)
	}
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(string(line[:len(line)-1]), "\r"), nil
}

// readBody reads a body of at most limit bytes by the framing that the head
// declares. framed says that its end was known without closing.
func readBody(br *bufio.Reader, h head, limit int64) (body []byte, framed bool, err error) {
	var b bytes.Buffer
	if te := strings.ToLower(h.fields["transfer-encoding"]); te == "chunked" {
		err = readChunked(br, &b, limit)
		// With both framings declared, what follows is not to be trusted.
		_, both := h.fields["content-length"]
		return b.Bytes(), !both, err
	} else if te != "" && te != "identity" {
		return nil, false, fmt.Errorf("%w: transfer coding", ErrMalformed)
	}
	if cl, ok := h.fields["content-length"]; ok {
		n, err := strconv.ParseUint(cl, 10, 63)
		if err != nil {
			return nil, false, fmt.Errorf("%w: content length", ErrMalformed)
		}
		if n > uint64(limit) {
			return nil, false, fmt.Errorf("%w: %d bytes of at most %d", ErrTooLarge, n, limit)
		}
		_, err = io.CopyN(&b, br, int64(n))
		return b.Bytes(), true, err
	}
	n, err := io.Copy(&b, io.LimitReader(br, limit+1))
	if n > limit {
		return nil, false, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	}
	return b.Bytes(), false, err
}

// readChunked reads a chunked body and its trailer (RFC 9112 §7.1).
func readChunked(br *bufio.Reader, b *bytes.Buffer, limit int64) error {
	for {
		budget := maxLine
		line, err := readLine(br, &budget)
		if err != nil {
			return err
		}
		size, _, _ := strings.Cut(line, ";")
		n, err := strconv.ParseUint(strings.TrimSpace(size), 16, 63)
		if err != nil {
			return fmt.Errorf("%w: chunk size", ErrMalformed)
		}
		if n == 0 {
			budget = maxHeader
			_, err := readFields(br, &budget)
			return err
		}
		if n > uint64(limit)-uint64(b.Len()) {
			return fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
		}
		if _, err := io.CopyN(b, br, int64(n)); err != nil {
			return err
		}
		if line, err = readLine(br, &budget); err != nil {
			return err
		}
		if line != "" {
			return fmt.Errorf("%w: chunk end", ErrMalformed)
		}
	}
}

// decode undoes a content coding, within the same limit.
func decode(body []byte, coding string, limit int64) ([]byte, error) {
	switch strings.ToLower(coding) {
	case "", "identity":
		return body, nil
	case "gzip", "x-gzip":
	default:
		return nil, fmt.Errorf("%w: content coding", ErrMalformed)
	}
	if len(body) == 0 {
		return body, nil
	}
	zr, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	plain, err := io.ReadAll(io.LimitReader(zr, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, unexpected(err))
	}
	if int64(len(plain)) > limit {
		return nil, fmt.Errorf("%w: more than %d bytes, gzip undone", ErrTooLarge, limit)
	}
	return plain, nil
}

// retryAfter reads the field of that name when it counts seconds. A date is
// of no use to a machine whose clock may not be set yet.
func retryAfter(v string) time.Duration {
	n, err := strconv.ParseUint(v, 10, 16)
	if err != nil {
		return 0
	}
	return min(time.Duration(n)*time.Second, MaxRetryAfter)
}
