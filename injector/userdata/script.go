package userdata

import "bytes"

// UnixLines gives a script as it belongs on disk: when its first line ends
// in CR LF, every CR LF becomes LF; otherwise nothing changes. This is
// cloud-init's rule for scripts, boothooks and upstart jobs. Decode does not
// apply it, so that a Part's Body stays exact.
func UnixLines(body []byte) []byte {
	i := bytes.IndexByte(body, '\n')
	if i <= 0 || body[i-1] != '\r' {
		return body
	}
	return bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))
}
