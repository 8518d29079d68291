package dial

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// echo serves TCP on a loopback address and repeats what it is told.
func echo(t *testing.T, addr string) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(conn, conn)
				conn.Close()
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func says(t *testing.T, conn net.Conn) {
	t.Helper()
	defer conn.Close()
	got := make([]byte, 5)
	if _, err := conn.Write([]byte("hello")); err != nil {
		t.Error(err)
	}
	conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := conn.Read(got); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("past the deadline: %v", err)
	}
}

func TestDialContext(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		to := echo(t, addr)
		conn, err := new(Dialer).DialContext(t.Context(), "tcp", to.String())
		if err != nil {
			t.Fatal(err)
		}
		says(t, conn)
	}
}

func TestDialErrors(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	l.Close()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name, network, addr string
		ctx                 context.Context
		want                error
	}{
		{"nobody listens", "tcp", closed, t.Context(), syscall.ECONNREFUSED},
		{"given up before", "tcp", closed, ended, context.Canceled},
		{"no name server", "tcp", "host.example:80", t.Context(), errNoServer},
		{"another network", "unix", "/run/x", t.Context(), errNetwork},
	} {
		conn, err := new(Dialer).DialContext(tt.ctx, tt.network, tt.addr)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, %v", tt.name, conn, err)
		}
	}
	for _, addr := range []string{"", "host", "host:port", "host:65536", strings.Repeat("x", 64) + ".example:80", strings.Repeat("x.", 200) + ":80", "a..b:80"} {
		d := Dialer{Servers: []netip.AddrPort{netip.MustParseAddrPort(closed)}}
		if got, err := d.Resolve(t.Context(), addr); err == nil {
			t.Errorf("Resolve(%q) = %v", addr, got)
		}
	}
}

// A server that accepts nothing leaves connections waiting: the end of the
// context ends them.
func TestDialGivesUp(t *testing.T) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	full := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(sa.(*syscall.SockaddrInet4).Port)).String()
	for range 8 {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		conn, err := new(Dialer).DialContext(ctx, "tcp", full)
		cancel()
		if err != nil {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v", err)
			}
			return
		}
		defer conn.Close()
	}
	t.Error("the queue of a server that accepts nothing never fills")
}

func TestListenPacket(t *testing.T) {
	d := new(Dialer)
	for _, ip := range []string{"127.0.0.1", "::1"} {
		a, err := d.ListenPacket(netip.AddrPortFrom(netip.MustParseAddr(ip), 0))
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		if _, err := d.ListenPacket(a.LocalAddr().(*net.UDPAddr).AddrPort()); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("twice: %v", err)
		}
		conn, err := d.DialContext(t.Context(), "udp", a.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.Write([]byte("hello"))
		buf := make([]byte, 9)
		n, from, err := a.ReadFrom(buf)
		if err != nil || string(buf[:n]) != "hello" || from.String() != conn.LocalAddr().String() {
			t.Errorf("%q from %v, %v", buf[:n], from, err)
		}
	}
}

// A nameServer answers by a function, over UDP and TCP on one port.
func nameServer(t *testing.T, answer func(q dnsmessage.Question, b *dnsmessage.Builder) dnsmessage.Header) (netip.AddrPort, *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	at := l.Addr().(*net.TCPAddr).AddrPort()
	u, err := net.ListenPacket("udp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.Close() })
	var asked atomic.Int32
	reply := func(msg []byte, tcp bool) []byte {
		asked.Add(1)
		var p dnsmessage.Parser
		h, err := p.Start(msg)
		q, err2 := p.Question()
		if err := errors.Join(err, err2); err != nil || !h.RecursionDesired {
			t.Errorf("asked %x: %v", msg, err)
			return nil
		}
		// The header is known only when the answer is, so twice.
		scratch := dnsmessage.NewBuilder(nil, dnsmessage.Header{})
		head := answer(q, &scratch)
		head.ID ^= h.ID
		head.Truncated = head.Truncated && !tcp
		b := dnsmessage.NewBuilder(nil, head)
		b.EnableCompression()
		if err := errors.Join(b.StartQuestions(), b.Question(q), b.StartAnswers()); err != nil {
			t.Error(err)
		}
		if !head.Truncated {
			answer(q, &b)
		}
		out, err := b.Finish()
		if err != nil {
			t.Error(err)
		}
		return out
	}
	go func() {
		buf := make([]byte, maxAnswer)
		for {
			n, from, err := u.ReadFrom(buf)
			if err != nil {
				return
			}
			u.WriteTo([]byte("nonsense"), from)
			u.WriteTo(reply(buf[:n], false), from)
		}
	}()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, maxAnswer)
			n, err := readFramed(conn, buf)
			if err == nil {
				out := reply(buf[:n], true)
				conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...))
			}
			conn.Close()
		}
	}()
	return at, &asked
}

// zone answers for a few names.
func zone(q dnsmessage.Question, b *dnsmessage.Builder) dnsmessage.Header {
	h := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class}
	good := dnsmessage.Header{Response: true}
	switch name := strings.ToLower(q.Name.String()); {
	case name == "gone.example.":
		good.RCode = dnsmessage.RCodeNameError
	case name == "broken.example.":
		good.RCode = dnsmessage.RCodeServerFailure
	case name == "late.example.":
		return dnsmessage.Header{} // never an answer
	case q.Type == dnsmessage.TypeA && (name == "four.example." || name == "both.example." || name == "long.example."):
		end := dnsmessage.MustNewName("end." + name)
		b.CNAMEResource(h, dnsmessage.CNAMEResource{CNAME: end})
		h.Name = end
		b.AResource(h, dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}})
		good.Truncated = name == "long.example."
	case q.Type == dnsmessage.TypeAAAA && (name == "six.example." || name == "both.example."):
		b.AAAAResource(h, dnsmessage.AAAAResource{AAAA: netip.IPv6Loopback().As16()})
	}
	return good
}

func TestResolve(t *testing.T) {
	server, asked := nameServer(t, zone)
	for _, tt := range []struct {
		addr      string
		first6    bool
		want      string
		err       error
		questions int32
	}{
		{"four.example:80", false, "127.0.0.1:80", nil, 1},
		{"Four.Example.:80", true, "127.0.0.1:80", nil, 2},
		{"six.example:80", false, "[::1]:80", nil, 2},
		{"both.example:80", false, "127.0.0.1:80", nil, 1},
		{"both.example:80", true, "[::1]:80", nil, 1},
		{"long.example:80", false, "127.0.0.1:80", nil, 2}, // once more over TCP
		{"gone.example:80", false, "", errNoName, 1},
		{"nothing.example:80", false, "", errNoName, 2},
		{"broken.example:80", false, "", errRefused, 6},
		{"192.0.2.1:80", false, "192.0.2.1:80", nil, 0},
		{"[::ffff:192.0.2.1]:80", false, "192.0.2.1:80", nil, 0},
	} {
		asked.Store(0)
		d := Dialer{Servers: []netip.AddrPort{server}, First6: tt.first6}
		got, err := d.Resolve(t.Context(), tt.addr)
		if tt.want == "" {
			if !errors.Is(err, tt.err) {
				t.Errorf("%s: %v, %v", tt.addr, got, err)
			}
		} else if err != nil || len(got) != 1 || got[0].String() != tt.want {
			t.Errorf("%s: %v, %v; want %s", tt.addr, got, err, tt.want)
		}
		if n := asked.Load(); n != tt.questions {
			t.Errorf("%s: %d questions, want %d", tt.addr, n, tt.questions)
		}
	}
}

func TestResolveAsksTheNextServer(t *testing.T) {
	working, _ := nameServer(t, zone)
	failing, asked := nameServer(t, func(dnsmessage.Question, *dnsmessage.Builder) dnsmessage.Header {
		return dnsmessage.Header{Response: true, RCode: dnsmessage.RCodeRefused}
	})
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	d := Dialer{Servers: []netip.AddrPort{failing, silent.LocalAddr().(*net.UDPAddr).AddrPort(), working}}
	to := echo(t, "127.0.0.1:0")
	conn, err := d.DialContext(t.Context(), "tcp", net.JoinHostPort("four.example", to.String()[len("127.0.0.1:"):]))
	if err != nil {
		t.Fatal(err)
	}
	says(t, conn)
	if asked.Load() != 1 {
		t.Errorf("the first server was asked %d times", asked.Load())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	d.Servers = d.Servers[1:2]
	if got, err := d.Resolve(ctx, "four.example:80"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, %v", got, err)
	}
}

// Only what answers the question counts: another id, name or kind does not,
// nor does a message that is no answer.
func TestAnswer(t *testing.T) {
	q, err := newQuestion("four.example", dnsmessage.TypeA)
	if err != nil {
		t.Fatal(err)
	}
	make := func(id uint16, response bool, name string, kind dnsmessage.Type) []byte {
		b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: id, Response: response})
		asked := dnsmessage.Question{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}
		b.StartQuestions()
		b.Question(asked)
		b.StartAnswers()
		zone(q.asked, &b)
		msg, err := b.Finish()
		if err != nil {
			t.Fatal(err)
		}
		return msg
	}
	if ips, err := q.answer(make(q.id, true, "FOUR.example.", dnsmessage.TypeA)); err != nil || len(ips) != 1 {
		t.Errorf("the answer: %v, %v", ips, err)
	}
	for name, msg := range map[string][]byte{
		"another id":   make(q.id+1, true, "four.example.", dnsmessage.TypeA),
		"a question":   make(q.id, false, "four.example.", dnsmessage.TypeA),
		"another name": make(q.id, true, "five.example.", dnsmessage.TypeA),
		"another kind": make(q.id, true, "four.example.", dnsmessage.TypeAAAA),
		"nothing":      nil,
	} {
		if ips, err := q.answer(msg); !errors.Is(err, errNotOurs) {
			t.Errorf("%s: %v, %v", name, ips, err)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	q, err := newQuestion("four.example", dnsmessage.TypeA)
	if err != nil {
		f.Fatal(err)
	}
	q.id = 7
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: 7, Response: true})
	b.EnableCompression()
	b.StartQuestions()
	b.Question(q.asked)
	b.StartAnswers()
	zone(q.asked, &b)
	msg, err := b.Finish()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(msg)
	f.Fuzz(func(t *testing.T, msg []byte) {
		ips, err := q.answer(msg)
		if err != nil && len(ips) > 0 || len(ips) > maxAddrs {
			t.Errorf("%v, %v", ips, err)
		}
		for _, ip := range ips {
			if !ip.Is4() {
				t.Errorf("address %v", ip)
			}
		}
	})
}
