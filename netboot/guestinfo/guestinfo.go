// Package guestinfo reads and writes the variables that VMware's hypervisors
// keep for a guest, "guestinfo.NAME".
//
// In goes a name, out comes its value, over the hypervisor's remote procedure
// calls: registers at an I/O port that the hypervisor watches, the "backdoor".
// The calls are those of open-vm-tools (lib/message, lib/rpcOut; the Linux
// kernel has them in drivers/gpu/drm/vmwgfx/vmwgfx_msg.c). No network, no
// driver and no daemon is needed.
//
// The port is to be touched only where the firmware says VMware.
package guestinfo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// The errors that a caller may want to tell apart.
var (
	// ErrAbsent: no hypervisor answers at the port.
	ErrAbsent = errors.New("no vmware hypervisor answers")
	// ErrNotFound: the variable is not set.
	ErrNotFound = errors.New("no such guestinfo variable")
	// ErrProtocol: the hypervisor ended a call early, or broke the protocol.
	ErrProtocol = errors.New("vmware call failed")
)

const (
	// MaxValue is the longest value accepted, in bytes; the hypervisor's
	// own limit for a guest's variables is 1 MiB.
	MaxValue = 4 << 20
	// maxTries bounds how often a call is begun again because the machine
	// was moved or suspended in the middle of it.
	maxTries = 8
)

// The variables that hold an instance's data, as cloud-init's
// DataSourceVMware and OVF's guestInfo transport name them.
const (
	MetaData   = "metadata"
	UserData   = "userdata"
	VendorData = "vendordata"
	OVF        = "ovfEnv"
)

// Words of the protocol.
const (
	magic      = 0x564d5868
	portNumber = 0x5658
	rpci       = 0x49435052
	cookieFlag = 0x80000000

	commandVersion = 10
	commandMessage = 30

	typeOpen, typeSendSize, typeSend, typeReceiveSize, typeReceive, typeReceived, typeClose = 0, 1, 2, 3, 4, 5, 6

	statusSuccess, statusReceive, statusCheckpoint = 1, 2, 0x10
)

// registers are the processor's, as they are when the port is read and after.
type registers struct{ ax, bx, cx, dx, si, di uint32 }

// A Host makes calls to the hypervisor. The zero Host is not usable; see Open.
type Host struct {
	call func(*registers)
	done func()
}

// Open asks whether the hypervisor is there. ErrAbsent: there is none of
// VMware's, or this kind of processor has no such port. The caller must Close the Host on the same
// goroutine, which stays on its thread until then.
func Open() (*Host, error) {
	call := port()
	if call == nil {
		return nil, ErrAbsent
	}
	// The permission to use a port is the thread's.
	runtime.LockOSThread()
	h := &Host{call: call, done: runtime.UnlockOSThread}
	permitPort()
	if !h.present() {
		h.Close()
		return nil, ErrAbsent
	}
	return h, nil
}

// Close ends the use of the port.
func (h *Host) Close() { h.done() }

// present asks for the version, which only a hypervisor answers with the
// magic word. Where the port is neither watched nor permitted, reading it is a
// fault, which means the same: the firmware's strings prove nothing.
func (h *Host) present() (yes bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			yes = false
		}
	}()
	r := registers{bx: ^uint32(magic), cx: commandVersion}
	h.send(&r)
	return r.bx == magic && r.ax != 0xffffffff
}

func (h *Host) send(r *registers) {
	r.ax = magic
	r.dx |= portNumber
	h.call(r)
}

// Get gives the value of "guestinfo."+name; ErrNotFound if it has none.
func (h *Host) Get(name string) ([]byte, error) {
	answer, err := h.ask("info-get guestinfo." + name)
	if err != nil {
		return nil, fmt.Errorf("guestinfo.%s: %w", name, err)
	}
	value, ok := strings.CutPrefix(string(answer), "1 ")
	if !ok || value == "" {
		return nil, fmt.Errorf("guestinfo.%s: %w", name, ErrNotFound)
	}
	return []byte(value), nil
}

// Set gives "guestinfo."+name a value.
func (h *Host) Set(name, value string) error {
	answer, err := h.ask("info-set guestinfo." + name + " " + value)
	if err == nil && !strings.HasPrefix(string(answer), "1") {
		err = ErrProtocol
	}
	if err != nil {
		return fmt.Errorf("set guestinfo.%s: %w", name, err)
	}
	return nil
}

// errAgain says that the machine was moved in the middle of a call.
var errAgain = errors.New("begun again")

func (h *Host) ask(request string) ([]byte, error) {
	for range maxTries {
		answer, err := h.try(request)
		if !errors.Is(err, errAgain) {
			return answer, err
		}
	}
	return nil, ErrProtocol
}

// try makes one call on a channel of its own.
func (h *Host) try(request string) ([]byte, error) {
	r := registers{bx: rpci | cookieFlag, cx: typeOpen<<16 | commandMessage}
	h.send(&r)
	if r.cx>>16&statusSuccess == 0 {
		return nil, ErrProtocol
	}
	c := channel{h, r.dx & 0xffff0000, r.si, r.di}
	defer c.step(typeClose, 0)
	if err := c.write(request); err != nil {
		return nil, err
	}
	return c.read()
}

// A channel is one open call. The cookies prove that it is ours.
type channel struct {
	*Host
	id, high, low uint32
}

// step makes one exchange; the hypervisor answers with a status in cx.
func (c *channel) step(kind, value uint32) (registers, error) {
	r := registers{bx: value, cx: kind<<16 | commandMessage, dx: c.id, si: c.high, di: c.low}
	c.send(&r)
	switch status := r.cx >> 16; {
	case status&statusSuccess != 0:
		return r, nil
	case status&statusCheckpoint != 0:
		return r, errAgain
	}
	return r, ErrProtocol
}

func (c *channel) write(request string) error {
	if _, err := c.step(typeSendSize, uint32(len(request))); err != nil {
		return err
	}
	for rest := request; rest != ""; {
		var word [4]byte
		rest = rest[copy(word[:], rest):]
		if _, err := c.step(typeSend, binary.LittleEndian.Uint32(word[:])); err != nil {
			return err
		}
	}
	return nil
}

func (c *channel) read() ([]byte, error) {
	r, err := c.step(typeReceiveSize, 0)
	if err != nil {
		return nil, err
	}
	if r.cx>>16&statusReceive == 0 {
		return nil, nil
	}
	size := int(r.bx)
	if r.dx>>16 != typeSendSize || size > MaxValue {
		return nil, ErrProtocol
	}
	var answer []byte
	for len(answer) < size {
		r, err := c.step(typeReceive, statusSuccess)
		if err != nil {
			return nil, err
		}
		if r.dx>>16 != typeSend {
			return nil, ErrProtocol
		}
		answer = binary.LittleEndian.AppendUint32(answer, r.bx)
	}
	_, err = c.step(typeReceived, statusSuccess)
	return answer[:size], err
}
