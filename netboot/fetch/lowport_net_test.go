//go:build net

package fetch

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"testing"

	"boothook/netboot/dial"
)

// TestLowPort needs root: only root can have a port below 1024.
func TestLowPort(t *testing.T) {
	c := handler(t, func(w http.ResponseWriter, r *http.Request) {
		_, port, _ := net.SplitHostPort(r.RemoteAddr)
		io.WriteString(w, port)
	})
	real := c.cfg.Dial
	conn, err := real(t.Context(), "tcp", "")
	if err != nil {
		t.Fatal(err)
	}
	addr := conn.RemoteAddr().String()
	conn.Close()
	c.cfg.Dial = LowPort(new(dial.Dialer))
	for range 20 {
		resp, err := c.Do(t.Context(), Request{URL: "http://" + addr + "/", Once: true})
		if err != nil {
			t.Fatal(err)
		}
		if port, err := strconv.Atoi(string(resp.Body)); err != nil || port > lowPorts {
			t.Errorf("asked from port %s", resp.Body)
		}
		for _, s := range c.services { // the next one from another port
			s.mu.Lock()
			for _, cn := range s.conns {
				cn.close()
			}
			s.mu.Unlock()
		}
	}
}
