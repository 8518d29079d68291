package dhcp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"boothook/netboot/nic/dhcp/dhcptest"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"golang.org/x/sys/unix"
)

var hw = net.HardwareAddr{2, 0, 0, 0, 0, 1}

const pace = 500 * time.Millisecond

// A trial is a client on a link in memory, and what both did.
type trial struct {
	*Client4
	conn *dhcptest.Conn
	sent []*dhcpv4.DHCPv4
	at   []time.Duration // when each message was sent
	log  []string
}

// try makes a client whose messages a server answers by a script; nil: none does.
func try(t *testing.T, s dhcptest.Script) *trial {
	began := time.Now()
	tr := &trial{conn: new(dhcptest.Conn)}
	if s == nil {
		s = func(dhcpv4.MessageType, int, *dhcpv4.DHCPv4) []*dhcpv4.DHCPv4 { return nil }
	}
	tr.conn.Serve(func(kind dhcpv4.MessageType, n int, msg *dhcpv4.DHCPv4) []*dhcpv4.DHCPv4 {
		tr.sent, tr.at = append(tr.sent, msg), append(tr.at, time.Since(began))
		return s(kind, n, msg)
	})
	tr.Client4 = &Client4{Conn: tr.conn, HW: hw, Pace: pace,
		Check: func(m *Message4) error {
			if m.Your.IsUnspecified() {
				return errors.New("no address")
			}
			return nil
		},
		Log:      func(line string) { tr.log = append(tr.log, line) },
		Panicked: func(cause any) { t.Errorf("panic: %v", cause) },
	}
	return tr
}

// kinds names the messages that were sent.
func (tr *trial) kinds() string {
	var b strings.Builder
	for _, m := range tr.sent {
		b.WriteByte(m.MessageType().String()[0])
	}
	return b.String()
}

// lease runs the client and gives the address that it got.
func (tr *trial) lease(t *testing.T, ctx context.Context) string {
	t.Helper()
	ack, err := tr.Lease(ctx)
	if err != nil {
		t.Errorf("%v; sent %s, log %q", err, tr.kinds(), tr.log)
		return ""
	}
	return ack.Your.String()
}

func TestLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := try(t, dhcptest.Honest("10.1.0.1", "10.1.0.50"))
		tr.Request = []uint8{245}
		if got := tr.lease(t, t.Context()); got != "10.1.0.50" {
			t.Errorf("address %s", got)
		}
		if tr.kinds() != "DR" || tr.at[1] != 0 {
			t.Fatalf("sent %s at %v", tr.kinds(), tr.at)
		}
		discover, request := tr.sent[0], tr.sent[1]
		if request.TransactionID != discover.TransactionID || !request.RequestedIPAddress().Equal(net.IPv4(10, 1, 0, 50)) ||
			!request.ServerIdentifier().Equal(net.IPv4(10, 1, 0, 1)) {
			t.Errorf("request\n%s", request.Summary())
		}
		for _, m := range tr.sent {
			codes := m.Options.Get(dhcpv4.OptionParameterRequestList)
			for _, want := range []byte{1, 3, 6, 12, 15, 26, 119, 121, 249, 245} {
				if !slices.Contains(codes, want) {
					t.Errorf("%s does not request option %d", m.MessageType(), want)
				}
			}
			if m.Options.Has(dhcpv4.OptionClientIdentifier) || m.Options.Has(dhcpv4.OptionRapidCommit) {
				t.Errorf("%s has options\n%s", m.MessageType(), m.Summary())
			}
		}
	})
}

// A server that is slow, or whose first answers are lost, is asked again under
// the same transaction, with the time spent so far, at the pace and no faster.
func TestRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		honest := dhcptest.Honest("10.1.0.1", "10.1.0.50")
		tr := try(t, func(kind dhcpv4.MessageType, n int, msg *dhcpv4.DHCPv4) []*dhcpv4.DHCPv4 {
			if n <= 6 && kind == dhcpv4.MessageTypeDiscover || n <= 2 && kind == dhcpv4.MessageTypeRequest {
				return nil
			}
			return honest(kind, n, msg)
		})
		if got := tr.lease(t, t.Context()); got != "10.1.0.50" || tr.kinds() != "DDDDDDDRRR" {
			t.Errorf("address %s, sent %s at %v", got, tr.kinds(), tr.at)
		}
		for i, m := range tr.sent {
			if m.TransactionID != tr.sent[0].TransactionID || m.NumSeconds != uint16(tr.at[i]/time.Second) {
				t.Errorf("message %d at %v: transaction %v, %d s", i, tr.at[i], m.TransactionID, m.NumSeconds)
			}
			if i > 0 && tr.at[i] > 0 && i != 7 && tr.at[i]-tr.at[i-1] < pace/16 {
				t.Errorf("message %d came %v after the last", i, tr.at[i]-tr.at[i-1])
			}
		}
	})
}

// A server that refuses what it offered is asked again after a pause.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		honest := dhcptest.Honest("10.1.0.1", "10.1.0.50")
		tr := try(t, func(kind dhcpv4.MessageType, n int, msg *dhcpv4.DHCPv4) []*dhcpv4.DHCPv4 {
			if kind == dhcpv4.MessageTypeRequest && n == 1 {
				return []*dhcpv4.DHCPv4{dhcptest.Answer(msg, dhcpv4.MessageTypeNak, "10.1.0.1", "0.0.0.0")}
			}
			return honest(kind, n, msg)
		})
		if got := tr.lease(t, t.Context()); got != "10.1.0.50" || !strings.HasPrefix(tr.kinds(), "DRD") {
			t.Errorf("address %s, sent %s", got, tr.kinds())
		}
		if pause := tr.at[2] - tr.at[1]; pause < retryWait/2 || pause > retryWait*3/2 {
			t.Errorf("asked again after %v", pause)
		}
		if len(tr.log) != 1 || !strings.Contains(tr.log[0], "10.1.0.1: server refused") {
			t.Errorf("log %q", tr.log)
		}
	})
}

// A server that offers first and never grants does not keep another one out;
// where there is no other, it is asked once more.
func TestServerThatNeverGrants(t *testing.T) {
	for _, other := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			honest := dhcptest.Honest("10.1.0.1", "10.1.0.50")
			tr := try(t, func(kind dhcpv4.MessageType, n int, msg *dhcpv4.DHCPv4) []*dhcpv4.DHCPv4 {
				bad := dhcptest.Answer(msg, dhcpv4.MessageTypeOffer, "10.6.6.6", "10.6.6.50")
				switch {
				case kind == dhcpv4.MessageTypeDiscover && other:
					return append([]*dhcpv4.DHCPv4{bad}, honest(kind, n, msg)...)
				case kind == dhcpv4.MessageTypeDiscover:
					return []*dhcpv4.DHCPv4{bad}
				}
				return honest(kind, n, msg)
			})
			// The pauses are drawn: three attempts may take over ten seconds.
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			ack, err := tr.Lease(ctx)
			asked := map[string]int{}
			for _, m := range tr.sent {
				if m.MessageType() == dhcpv4.MessageTypeRequest {
					asked[m.ServerIdentifier().String()]++
				}
			}
			switch {
			case other && (err != nil || ack.Server().String() != "10.1.0.1" || asked["10.1.0.1"] != 1):
				t.Errorf("%v, %v; requests %v", ack, err, asked)
			case !other && (!errors.Is(err, context.DeadlineExceeded) || len(tr.log) < 3):
				t.Errorf("alone: %v; requests %v, log %q", err, asked, tr.log)
			}
		})
	}
}

// What is forged, of another transaction or machine, or of no use is passed over.
func TestNoise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		honest := dhcptest.Honest("10.1.0.1", "10.1.0.50")
		var tr *trial
		tr = try(t, func(kind dhcpv4.MessageType, n int, msg *dhcpv4.DHCPv4) []*dhcpv4.DHCPv4 {
			offer := func(more ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
				return dhcptest.Answer(msg, dhcpv4.MessageTypeOffer, "10.6.6.6", "10.6.6.50", more...)
			}
			good := offer().ToBytes()
			for _, bad := range [][]byte{nil, make([]byte, 300), good[:100], append(good[:240:240], 53, 200, 2)} {
				tr.conn.Deliver(bad)
			}
			bad := []*dhcpv4.DHCPv4{
				offer(dhcpv4.WithTransactionID(dhcpv4.TransactionID{1, 2, 3, 4})),
				offer(dhcpv4.WithHwAddr([]byte{2, 0, 0, 0, 0, 9})),
				offer(dhcpv4.WithYourIP(net.IPv4zero)),
				offer(dhcpv4.WithMessageType(dhcpv4.MessageTypeAck)),
				offer(dhcpv4.WithMessageType(dhcpv4.MessageTypeAck), dhcpv4.WithGeneric(dhcpv4.OptionRapidCommit, nil)),
				offer(func(m *dhcpv4.DHCPv4) { m.OpCode = dhcpv4.OpcodeBootRequest }),
				offer(func(m *dhcpv4.DHCPv4) { m.Options.Del(dhcpv4.OptionServerIdentifier) }),
			}
			return append(bad, honest(kind, n, msg)...)
		})
		if got := tr.lease(t, t.Context()); got != "10.1.0.50" || tr.kinds() != "DR" {
			t.Errorf("address %s, sent %s", got, tr.kinds())
		}
	})
}

// An ACK that grants something else than a usable address is a failure of that server.
func TestUselessACK(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		honest := dhcptest.Honest("10.1.0.1", "10.1.0.50")
		tr := try(t, func(kind dhcpv4.MessageType, n int, msg *dhcpv4.DHCPv4) []*dhcpv4.DHCPv4 {
			if kind == dhcpv4.MessageTypeRequest && n == 1 {
				return []*dhcpv4.DHCPv4{dhcptest.Answer(msg, dhcpv4.MessageTypeAck, "10.1.0.1", "0.0.0.0")}
			}
			return honest(kind, n, msg)
		})
		if got := tr.lease(t, t.Context()); got != "10.1.0.50" || len(tr.log) != 1 || !strings.Contains(tr.log[0], "no address") {
			t.Errorf("address %s, sent %s, log %q", got, tr.kinds(), tr.log)
		}
	})
}

func TestRapidCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := try(t, func(kind dhcpv4.MessageType, n int, msg *dhcpv4.DHCPv4) []*dhcpv4.DHCPv4 {
			if !msg.Options.Has(dhcpv4.OptionRapidCommit) {
				t.Errorf("not asked for:\n%s", msg.Summary())
			}
			return []*dhcpv4.DHCPv4{dhcptest.Answer(msg, dhcpv4.MessageTypeAck, "10.1.0.1", "10.1.0.50", dhcpv4.WithGeneric(dhcpv4.OptionRapidCommit, nil))}
		})
		tr.Rapid = true
		if got := tr.lease(t, t.Context()); got != "10.1.0.50" || tr.kinds() != "D" {
			t.Errorf("address %s, sent %s", got, tr.kinds())
		}
	})
}

// The client ends with its context, and with its link.
func TestLeaseEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 1234*time.Millisecond)
		defer cancel()
		tr := try(t, nil)
		if ack, err := tr.Lease(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 1234*time.Millisecond {
			t.Errorf("%v, %v after %v", ack, err, time.Since(began))
		}
		if ack, err := tr.Lease(ctx); !errors.Is(err, context.DeadlineExceeded) || len(tr.sent) > 0 && tr.at[len(tr.at)-1] >= 1234*time.Millisecond {
			t.Errorf("after the end: %v, %v; sent at %v", ack, err, tr.at)
		}
		for _, down := range []error{unix.ENETDOWN, unix.ENXIO, unix.ENODEV} {
			tr := try(t, nil)
			time.AfterFunc(300*time.Millisecond, func() { tr.conn.Fail(down) })
			if ack, err := tr.Lease(t.Context()); !errors.Is(err, ErrLinkDown) {
				t.Errorf("%v while reading: %v, %v", down, ack, err)
			}
			if ack, err := tr.Lease(t.Context()); !errors.Is(err, ErrLinkDown) {
				t.Errorf("%v while sending: %v, %v", down, ack, err)
			}
		}
	})
}

// A full queue loses a message; another error of a socket is told and tried again.
func TestSocketErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := try(t, dhcptest.Honest("10.1.0.1", "10.1.0.50"))
		lossy := &lossyConn{Conn: tr.conn, errs: []error{unix.ENOBUFS, unix.EPERM}}
		tr.Conn = lossy
		if got := tr.lease(t, t.Context()); got != "10.1.0.50" || len(lossy.errs) != 0 {
			t.Errorf("address %s, errors left %v", got, lossy.errs)
		}
		if len(tr.log) != 1 || !strings.Contains(tr.log[0], "send dhcp message: operation not permitted") {
			t.Errorf("log %q", tr.log)
		}
	})
}

// A lossyConn gives errors for the first messages that are sent.
type lossyConn struct {
	*dhcptest.Conn
	errs []error
}

func (c *lossyConn) WriteTo(b []byte, to net.Addr) (int, error) {
	if len(c.errs) > 0 {
		err := c.errs[0]
		c.errs = c.errs[1:]
		return 0, err
	}
	return c.Conn.WriteTo(b, to)
}

// A message that the decoder panics on costs that message alone, and is told.
func TestPanicIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := try(t, dhcptest.Honest("10.1.0.1", "10.1.0.50"))
		var causes []any
		calls := 0
		check := tr.Check
		tr.Check = func(m *Message4) error {
			if calls++; calls == 1 {
				panic("index out of range")
			}
			return check(m)
		}
		tr.Panicked = func(cause any) { causes = append(causes, cause) }
		if got := tr.lease(t, t.Context()); got != "10.1.0.50" || len(causes) != 1 || causes[0] != "index out of range" {
			t.Errorf("address %s, panics %v", got, causes)
		}
		calls, tr.Panicked = 0, nil
		if got := tr.lease(t, t.Context()); got != "10.1.0.50" {
			t.Errorf("when nobody wants to know: address %s", got)
		}
	})
}

// AskAgain repeats the message at once, under the same transaction.
func TestAskAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		honest := dhcptest.Honest("10.1.0.1", "10.1.0.50")
		tr := try(t, func(kind dhcpv4.MessageType, n int, msg *dhcpv4.DHCPv4) []*dhcpv4.DHCPv4 {
			if kind == dhcpv4.MessageTypeDiscover && n == 1 {
				return nil
			}
			return honest(kind, n, msg)
		})
		time.AfterFunc(time.Millisecond, tr.AskAgain)
		if got := tr.lease(t, t.Context()); got != "10.1.0.50" || tr.at[1] != time.Millisecond {
			t.Errorf("address %s, sent %s at %v", got, tr.kinds(), tr.at)
		}
	})
}

func TestRenew(t *testing.T) {
	addr := netip.MustParseAddr("10.1.0.50")
	for _, tt := range []struct {
		name   string
		answer func(n int, msg *dhcpv4.DHCPv4) []*dhcpv4.DHCPv4
		want   error
		sent   int
	}{
		{"granted by another server, the second time", func(n int, msg *dhcpv4.DHCPv4) []*dhcpv4.DHCPv4 {
			if n == 1 {
				return nil
			}
			return []*dhcpv4.DHCPv4{dhcptest.Answer(msg, dhcpv4.MessageTypeAck, "10.1.0.9", "10.1.0.50")}
		}, nil, 2},
		{"refused, after an ACK for another address", func(_ int, msg *dhcpv4.DHCPv4) []*dhcpv4.DHCPv4 {
			return []*dhcpv4.DHCPv4{dhcptest.Answer(msg, dhcpv4.MessageTypeAck, "10.1.0.1", "10.1.0.51"),
				dhcptest.Answer(msg, dhcpv4.MessageTypeNak, "10.1.0.1", "0.0.0.0")}
		}, ErrNAK, 1},
		{"no server", func(int, *dhcpv4.DHCPv4) []*dhcpv4.DHCPv4 { return nil }, context.DeadlineExceeded, 4},
	} {
		synctest.Test(t, func(t *testing.T) {
			tr := try(t, func(_ dhcpv4.MessageType, n int, msg *dhcpv4.DHCPv4) []*dhcpv4.DHCPv4 { return tt.answer(n, msg) })
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			if ack, err := tr.Renew(ctx, addr); !errors.Is(err, tt.want) || err == nil && ack.Your != addr {
				t.Errorf("%s: %v, %v", tt.name, ack, err)
			}
			if len(tr.sent) < tt.sent || !tr.sent[0].ClientIPAddr.Equal(net.IP(addr.AsSlice())) || tr.sent[0].ServerIdentifier() != nil ||
				tr.sent[0].RequestedIPAddress() != nil { // RFC 2131 §4.3.2
				t.Errorf("%s: sent %s", tt.name, tr.kinds())
			}
		})
	}
}
